"""How a picture gets into a window: the parts that every way of drawing shares, and drawing without a card.

All sizes are (width, height) in pixels. Pictures and overlays are upright, as whoever stands before the
screen sees them; a :class:`~livedream.frame.Turn` is what happens to both on their way there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from livedream.frame import Array, Image, Turn
from livedream.sinks.sdl import WindowSurface

if TYPE_CHECKING:
    from pygame import Surface

Box = tuple[int, int, int, int]  # x, y, width, height in pixels
Size = tuple[int, int]

_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


class Projector(Protocol):
    """What is done to pictures for one screen only: see :mod:`livedream.stage.projector`."""

    def project(self, picture: Image, size: Size) -> Image:
        """What a screen of ``size``, upright, is to show of a picture: valid until the next call."""


class Presenter(Protocol):
    """Draws pictures into one window."""

    #: What draws: ``opengl``, ``metal``, ``software`` …
    driver: str
    #: Whether :meth:`show` waits for the screen.
    has_vsync: bool

    @property
    def size(self) -> Size:
        """The drawing area, as the screen has it."""

    def show(self, picture: Image, overlay: Array | None, turn: Turn) -> None:
        """Draw ``picture`` as large as fits, with black borders, then ``overlay`` over everything, and flip.

        An overlay is converted once per array object.
        """

    def forget(self) -> None:
        """Draw everything anew with the next picture: the screen has lost what it was given."""

    def close(self) -> None:
        """Let go of the window, which is closed next."""


def upright(size: Size, rotate: int) -> Size:
    """The size of a drawing area as seen by who looks at the rotated picture upright."""
    return (size[1], size[0]) if rotate in (90, 270) else size


def fitted(width: int, height: int, across: int, down: int) -> Box:
    """The largest centred box with a picture's aspect ratio in an area ``across`` by ``down``."""
    scale = min(across / width, down / height)
    # One pixel of rounding isn't worth a black line: a picture that nearly fills the area fills it.
    box_width, box_height = (
        full if full - part < 2 else round(part)
        for part, full in ((width * scale, across), (height * scale, down))
    )
    return (across - box_width) // 2, (down - box_height) // 2, box_width, box_height


def turned_box(box: Box, across: int, down: int, turn: Turn) -> Box:
    """Where a box in an upright area ``across`` by ``down`` is after a turn."""
    x, y, width, height = box
    x = across - x - width if turn.flip_x else x
    y = down - y - height if turn.flip_y else y
    match turn.rotate:
        case 90:
            return down - y - height, x, height, width
        case 180:
            return across - x - width, down - y - height, width, height
        case 270:
            return y, across - x - width, height, width
    return x, y, width, height


def scaled(image: Array, width: int, height: int) -> Array:
    """``image`` at another size, linearly."""
    if image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (max(1, width), max(1, height)), interpolation=cv2.INTER_LINEAR)


def turned(image: Array, turn: Turn) -> Array:
    """``image`` after a turn."""
    if turn.flip_x or turn.flip_y:
        image = cv2.flip(image, -1 if turn.flip_x and turn.flip_y else int(turn.flip_x))
    return cv2.rotate(image, _ROTATIONS[turn.rotate]) if turn.rotate else image


def visible_part(overlay: Array, size: Size) -> tuple[Array, Box] | None:
    """The part of an overlay that isn't transparent, and its box in an area of ``size``; None for nothing.

    Blending a whole screen costs more than the picture.
    """
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(overlay[..., 3]))
    if not width or not height:
        return None
    part = np.ascontiguousarray(overlay[y : y + height, x : x + width])
    scale_x, scale_y = size[0] / overlay.shape[1], size[1] / overlay.shape[0]
    return part, (round(x * scale_x), round(y * scale_y), round(width * scale_x), round(height * scale_y))


class SurfacePresenter:
    """Draws into the window's own pixels, on the processor: one pass over the picture, one over the overlay.

    Raises ``OSError`` if the pixels of the window cannot be reached.
    """

    driver = "software"
    has_vsync = False

    def __init__(self, window_id: int) -> None:
        import pygame

        self._pygame = pygame
        self._surface = WindowSurface(window_id)
        self._canvas: tuple[Array, Box, Surface] | None = None  # the pixels, where the picture is in them
        self._overlay: tuple[Array, Turn, Size] | None = None  # what the part below was made of
        self._part: tuple[Surface, Box] | None = None

    @property
    def size(self) -> Size:
        """The drawing area, as the screen has it."""
        height, width = self._surface.pixels().shape[:2]
        return max(1, width), max(1, height)

    def show(self, picture: Image, overlay: Array | None, turn: Turn) -> None:
        """As in :class:`Presenter`. Raises ``OSError``."""
        pixels = self._surface.pixels()
        width, height = size = upright((pixels.shape[1], pixels.shape[0]), turn.rotate)
        box = fitted(picture.shape[1], picture.shape[0], width, height)
        x, y, across, down = turned_box(box, width, height, turn)
        canvas = self._canvas_of(pixels, (x, y, across, down))
        image = turned(scaled(picture, box[2], box[3]), turn)
        target = pixels[y : y + down, x : x + across]
        done = cv2.cvtColor(image, self._surface.from_rgb, dst=target)
        if not np.shares_memory(done, target):
            target[:] = done
        if overlay is not None:
            self._blend(canvas, overlay, size, turn)
        self._surface.update()

    def _canvas_of(self, pixels: Array, box: Box) -> Surface:
        """The pixels as something to blend on; black around ``box``."""
        if self._canvas is None or self._canvas[0] is not pixels or self._canvas[1] != box:
            pixels[:] = (0, 0, 0, 255)
            shape = (pixels.shape[1], pixels.shape[0])
            canvas = self._pygame.image.frombuffer(pixels.data, shape, self._surface.format)  # type: ignore[arg-type]
            self._canvas = pixels, box, canvas
        return self._canvas[2]

    def _blend(self, canvas: Surface, overlay: Array, size: Size, turn: Turn) -> None:
        key = (overlay, turn, size)
        if self._overlay is None or self._overlay[0] is not overlay or self._overlay[1:] != key[1:]:
            self._overlay, self._part = key, None
            found = visible_part(overlay, size)
            if found is not None:
                part, box = found
                part = turned(scaled(part, box[2], box[3]), turn)
                # Blending pixels of another order than the screen's takes seven times as long.
                if self._surface.format == "BGRA":
                    part = cv2.cvtColor(part, cv2.COLOR_RGBA2BGRA)
                shape = (part.shape[1], part.shape[0])
                surface = self._pygame.image.frombuffer(part.data, shape, self._surface.format)  # type: ignore[arg-type]
                self._part = surface, turned_box(box, *size, turn)
        if self._part is not None:
            surface, box = self._part
            canvas.blit(surface, box[:2])

    def forget(self) -> None:
        """As in :class:`Presenter`."""
        self._canvas = self._overlay = self._part = None

    def close(self) -> None:
        """As in :class:`Presenter`."""
        self.forget()
