"""The window: shows pictures on a screen and reports key presses.

Everything is drawn by one SDL renderer. On a graphics card it scales and rotates the picture itself.
Without one, SDL's software renderer is used (0.7 ms of CPU at 720p; a rasteriser such as llvmpipe takes 5),
and the picture is rotated and scaled here, only if it has to be.
"""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from livedream.errors import OutputError
from livedream.frame import Array, Image
from livedream.resource import Resource
from livedream.sinks.port import Stamp
from livedream.sinks.screens import displays, software_rasteriser

if TYPE_CHECKING:
    from pygame._sdl2.video import Renderer, Texture

_log = logging.getLogger(__name__)

#: Compositing more pixels than this isn't worth its time: a larger screen is filled by scaling.
_PICTURE_PIXELS = 1920 * 1080
_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_CENTRED = 0x2FFF0000  # SDL_WINDOWPOS_CENTERED_DISPLAY(0)
# SDL scancodes of the nine digits above the letters and on the number pad.
_DIGITS = {code + i: str(i + 1) for code in (30, 89) for i in range(9)}
_REPEAT_AFTER_MS, _REPEAT_EACH_MS = 400, 70


@dataclass(frozen=True)
class KeyPressed:
    """A key is pressed or held: the symbol on it (``a``, ``left``, ``escape``); 1–9 go by position."""

    key: str
    shift: bool = False
    repeat: bool = False


@dataclass(frozen=True)
class Closed:
    """The window was closed, or the desktop session is ending."""


@dataclass(frozen=True)
class Resized:
    """The size of the window, and so ``picture_size``, has changed."""


@dataclass(frozen=True)
class FocusLost:
    """Another window has the keyboard focus."""


Box = tuple[int, int, int, int]  # x, y, width, height in pixels
Event = KeyPressed | Closed | Resized | FocusLost


class Window(Resource):
    """A window or the full screen: a :class:`~livedream.sinks.port.Sink` that also reports events.

    ``size`` is (width, height) when not full screen; ``rotate`` turns the picture clockwise by 0, 90, 180 or
    270 degrees. Raises ``OutputError`` if there is no screen, no such display, or no window can be opened.
    """

    name = "window"

    def __init__(
        self,
        *,
        full_screen: bool,
        display: int = 0,
        size: tuple[int, int] = (1280, 720),
        rotate: int = 0,
        title: str = "livedream",
    ) -> None:
        screens = displays()
        if not screens:
            raise OutputError(
                "no screen for a window: no display server answers at DISPLAY or WAYLAND_DISPLAY;"
                " possible: --headless"
            )
        if not 0 <= display < len(screens):
            raise OutputError(
                f"no display {display}; {len(screens)} found; possible: "
                + ", ".join(f"{d.index} ({d.name}, {d.size[0]}x{d.size[1]})" for d in screens)
            )
        import pygame
        from pygame._sdl2 import video

        self._pygame, self._video = pygame, video
        self._full_screen = full_screen
        self._windowed_size, self._screen_size = size, screens[display].size
        self._rotate = rotate
        self._closed = False
        self._held: set[str] = set()
        self._picture: tuple[Texture, Array] | None = None
        self._overlay: tuple[Array, int, tuple[int, int]] | None = None  # what the texture below shows
        self._overlay_texture: tuple[Texture, Box] | None = None
        try:
            self._window = video.Window(
                title,
                self._screen_size if full_screen else size,
                position=(_CENTRED | display, _CENTRED | display),
                fullscreen_desktop=full_screen,
                resizable=True,
                allow_highdpi=True,
            )
            self._renderer, self.driver = self._open_renderer()
        except (pygame.error, RuntimeError) as error:
            pygame.display.quit()
            raise OutputError(
                f"cannot open a window on display {display}: {error}; possible: --headless"
            ) from error
        pygame.mouse.set_visible(not full_screen)
        pygame.key.stop_text_input()  # otherwise an input method swallows letters
        pygame.key.set_repeat(_REPEAT_AFTER_MS, _REPEAT_EACH_MS)
        _log.info("window on display %d, %s", display, self.driver)

    def _open_renderer(self) -> tuple[Renderer, str]:
        """A renderer on the graphics card, otherwise SDL's software renderer; and its name."""
        names = [info.name for info in self._video.get_drivers()]
        wanted = os.environ.get("SDL_RENDER_DRIVER")
        for index, name in enumerate(names):
            if name == "software" or (wanted and name != wanted):
                continue
            try:
                renderer = self._video.Renderer(self._window, index=index, vsync=True)
            except (self._pygame.error, RuntimeError) as error:
                _log.info("renderer %s is not usable: %s", name, error)
                continue
            rasteriser = software_rasteriser() if name.startswith("opengl") else ""
            if not rasteriser:
                return renderer, name
            _log.info("no graphics card (%s); drawing on the CPU", rasteriser)
            del renderer
            break
        return self._video.Renderer(self._window, index=names.index("software")), "software"

    @property
    def has_vsync(self) -> bool:
        """Whether ``show`` waits for the screen; if not, the caller has to pace itself."""
        return self.driver != "software"

    @property
    def output_size(self) -> tuple[int, int]:
        """(width, height) of the drawing area in pixels, upright: the best size for an overlay."""
        width, height = (max(1, side) for side in self._renderer.get_viewport().size)
        return (height, width) if self._rotate in (90, 270) else (width, height)

    @property
    def picture_size(self) -> tuple[int, int]:
        """(width, height) to composite to: upright, at most as many pixels as 1920×1080."""
        width, height = self.output_size
        scale = min(1.0, math.sqrt(_PICTURE_PIXELS / (width * height)))
        return max(2, round(width * scale)), max(2, round(height * scale))

    def show(self, picture: Image, overlay: Array | None = None, stamp: Stamp | None = None) -> None:
        """Draw the picture as large as fits, with black borders, then ``overlay`` over everything, and flip.

        ``picture`` is RGB uint8 (H, W, 3), ``overlay`` RGBA uint8 (H, W, 4), both upright; ``stamp`` is not
        used. An overlay is uploaded once per array object: draw a changed one into a new array.
        """
        image = picture
        width, height = self.output_size
        box = _fitted(image.shape[1], image.shape[0], width, height)
        if self.driver == "software":
            image = _rotated(_scaled(image, box[2], box[3]), self._rotate)
        if self._picture is None or self._picture[1].shape[:2] != image.shape[:2]:
            texture = self._video.Texture(self._renderer, (image.shape[1], image.shape[0]), streaming=True)
            self._picture = texture, np.empty((*image.shape[:2], 4), np.uint8)
        texture, bgra = self._picture
        # In the texture's own byte order the upload is a plain copy (0.2 ms instead of 0.55 at 720p).
        cv2.cvtColor(image, cv2.COLOR_RGB2BGRA, dst=bgra)
        texture.update(self._pygame.image.frombuffer(bgra.data, (image.shape[1], image.shape[0]), "BGRA"))
        self._renderer.clear()
        self._draw(texture, box)
        if overlay is not None:
            self._draw_overlay(overlay, width, height)
        self._renderer.present()

    def _draw_overlay(self, overlay: Array, width: int, height: int) -> None:
        key = (overlay, self._rotate, (width, height))
        if self._overlay is None or self._overlay[0] is not overlay or self._overlay[1:] != key[1:]:
            self._overlay, self._overlay_texture = key, None
            # Only the part that isn't transparent: blending a whole screen costs more than the picture.
            x, y, w, h = cv2.boundingRect(np.ascontiguousarray(overlay[..., 3]))
            if w and h:
                part = np.ascontiguousarray(overlay[y : y + h, x : x + w])
                scale_x, scale_y = width / overlay.shape[1], height / overlay.shape[0]
                box = (round(x * scale_x), round(y * scale_y), round(w * scale_x), round(h * scale_y))
                if self.driver == "software":
                    part = _rotated(_scaled(part, box[2], box[3]), self._rotate)
                surface = self._pygame.image.frombuffer(part.data, (part.shape[1], part.shape[0]), "RGBA")
                self._overlay_texture = self._video.Texture.from_surface(self._renderer, surface), box
        if self._overlay_texture is not None:
            self._draw(*self._overlay_texture)

    def _draw(self, texture: Texture, box: Box) -> None:
        """Draw a texture into a box (x, y, width, height) of the upright drawing area."""
        rect = self._pygame.Rect(_rotated_box(box, *self.output_size, self._rotate))
        if self.driver == "software":  # its pixels are rotated already
            texture.draw(dstrect=rect)
            return
        # SDL rotates a rectangle about its centre, so it gets the upright one with the same centre.
        upright = self._pygame.Rect(0, 0, box[2], box[3])
        upright.center = rect.center
        texture.draw(dstrect=upright, angle=self._rotate)

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first. Does not block."""
        pygame = self._pygame
        events: list[Event] = []
        for event in pygame.event.get():
            if event.type == pygame.KEYDOWN:
                if event.mod & (pygame.KMOD_CTRL | pygame.KMOD_ALT | pygame.KMOD_META):
                    continue  # Alt+Tab and the like belong to the desktop
                key = _DIGITS.get(event.scancode) or pygame.key.name(event.key)
                events.append(KeyPressed(key, bool(event.mod & pygame.KMOD_SHIFT), key in self._held))
                self._held.add(key)
            elif event.type == pygame.KEYUP:
                self._held.discard(_DIGITS.get(event.scancode) or pygame.key.name(event.key))
            elif event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
                events.append(Closed())
            elif event.type == pygame.WINDOWSIZECHANGED:
                events.append(Resized())
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._held.clear()
                events.append(FocusLost())
            elif event.type in (pygame.RENDER_TARGETS_RESET, pygame.RENDER_DEVICE_RESET):
                self._forget_textures()  # the graphics card lost them
        return events

    @property
    def full_screen(self) -> bool:
        """Whether the window covers its display."""
        return self._full_screen

    def set_full_screen(self, full_screen: bool) -> None:
        """Cover the display at the desktop's resolution, or go back to a window."""
        if full_screen:
            # A desktop resizes it by itself; a bare X server, as in a kiosk, does not.
            self._window.size = self._screen_size
            self._window.set_fullscreen(desktop=True)
        else:
            self._window.set_windowed()
            self._window.size = self._windowed_size
        self._full_screen = full_screen
        self._pygame.mouse.set_visible(not full_screen)

    def set_rotate(self, degrees: int) -> None:
        """Rotate the picture clockwise by 0, 90, 180 or 270 degrees; ``picture_size`` may change."""
        self._rotate = degrees

    def _forget_textures(self) -> None:
        self._picture = self._overlay = self._overlay_texture = None

    def close(self) -> None:
        """Close the window and release the screen. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            # Textures before their renderer, the renderer before its window: SDL frees each with its owner.
            self._forget_textures()
            del self._renderer
            self._window.destroy()
        finally:
            self._pygame.display.quit()


def _fitted(width: int, height: int, across: int, down: int) -> Box:
    """The largest centred box with a picture's aspect ratio in an area ``across`` by ``down``."""
    scale = min(across / width, down / height)
    # One pixel of rounding isn't worth a black line: a picture that nearly fills the area fills it.
    box_width, box_height = (
        full if full - part < 2 else round(part)
        for part, full in ((width * scale, across), (height * scale, down))
    )
    return (across - box_width) // 2, (down - box_height) // 2, box_width, box_height


def _rotated_box(box: Box, across: int, down: int, degrees: int) -> Box:
    """Where a box in an upright area ``across`` by ``down`` is after rotating that area clockwise."""
    x, y, width, height = box
    match degrees:
        case 90:
            return down - y - height, x, height, width
        case 180:
            return across - x - width, down - y - height, width, height
        case 270:
            return y, across - x - width, height, width
    return box


def _scaled(image: Array, width: int, height: int) -> Array:
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (max(1, width), max(1, height)), interpolation=cv2.INTER_LINEAR)


def _rotated(image: Array, degrees: int) -> Array:
    return cv2.rotate(image, _ROTATIONS[degrees]) if degrees else image
