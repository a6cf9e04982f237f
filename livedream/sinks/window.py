"""The window: shows pictures on a screen and reports key presses.

What draws is a presenter: OpenGL and a painter that composites on the graphics card
(:mod:`livedream.sinks.gl`), one of SDL's renderers on a card, which scales and rotates a finished picture
(:mod:`livedream.sinks.sdl_renderer`), or the processor, which writes the window's own pixels
(:mod:`livedream.sinks.presenting`): 0.6 ms at 720p, where a rasteriser such as llvmpipe takes 5.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from livedream.errors import OutputError, quoted
from livedream.frame import Array, Image, Turn
from livedream.resource import Resource
from livedream.sinks import gl, sdl_renderer
from livedream.sinks.port import Stamp
from livedream.sinks.presenting import Presenter, Projector, SurfacePresenter, upright
from livedream.sinks.screens import chosen, displays
from livedream.sinks.settling import Settling

if TYPE_CHECKING:
    from pygame._sdl2.video import Window as SdlWindow

_log = logging.getLogger(__name__)

#: Compositing more pixels than this isn't worth its time: a larger screen is filled by scaling.
_PICTURE_PIXELS = 1920 * 1080
_UPRIGHT = Turn()
_CENTRED = 0x2FFF0000  # SDL_WINDOWPOS_CENTERED_DISPLAY(0)
# SDL scancodes of the nine digits above the letters and on the number pad, and of the two keys after P.
_BY_PLACE = {code + i: str((i + 1) % 10) for code in (30, 89) for i in range(10)} | {47: "[", 48: "]"}
_REPEAT_AFTER_MS, _REPEAT_EACH_MS = 400, 70


@dataclass(frozen=True)
class KeyPressed:
    """A key is pressed or held: the symbol on it (``a``, ``left``, ``escape``); 0–9, [ and ] by place."""

    key: str
    shift: bool = False
    repeat: bool = False


@dataclass(frozen=True)
class Closed:
    """The window was closed, or the desktop session is ending."""


@dataclass(frozen=True)
class Resized:
    """The window has come to rest at another size, and so ``picture_size`` has changed."""


@dataclass(frozen=True)
class Exposed:
    """The window was covered, resized or lost its contents: show the picture again."""


Event = KeyPressed | Closed | Resized | Exposed


class Window(Resource):
    """A window or the full screen: a :class:`~livedream.sinks.port.Sink` that also reports events.

    ``display`` is the number of a screen, or a part of its name; until that screen is there, the first is
    used, and ``notices`` says so. ``size`` is (width, height) when not full screen; ``turn`` is how the
    screen hangs. ``projector`` changes pictures for this screen that were painted on the processor; a
    ``painter`` has its own. ``renderer`` is ``gl`` for OpenGL on whatever there is, ``auto`` for OpenGL on a
    graphics card only, or ``cpu``; OpenGL is used only with a ``painter``, which makes what draws there.
    Raises ``OutputError`` if there is no screen, or no window can be opened. OpenGL that fails, now or later,
    is replaced by drawing on the CPU; ``notices`` says so.
    """

    name = "window"

    def __init__(
        self,
        *,
        full_screen: bool,
        display: str = "",
        size: tuple[int, int] = (1280, 720),
        turn: Turn = _UPRIGHT,
        title: str = "livedream",
        renderer: str = "auto",
        painter: gl.MakePainter | None = None,
        projector: Projector | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        screens = displays()
        if not screens:
            raise OutputError(
                "no screen for a window: no display server answers at DISPLAY or WAYLAND_DISPLAY;"
                " possible: --headless"
            )
        import pygame
        from pygame._sdl2 import video

        self._pygame, self._video = pygame, video
        #: The screen that it is on: the first one for as long as the one that was asked for is not there.
        self.screen = chosen(screens, display) or screens[0]
        self._title, self._full_screen, self._windowed_size = title, full_screen, size
        self._turn, self._projector = turn, projector
        self._closed = False
        self._held: set[str] = set()
        self._notices: list[str] = []
        if chosen(screens, display) is None:
            found = ", ".join(map(str, screens))
            self._say(
                f"no screen {quoted(display)}; found {found}; showing on {self.screen.index} until it comes"
            )
        self._reopened, self._clock = False, clock
        self._gl: gl.GlPresenter | None = None
        try:
            self._window, self._presenter = self._open(renderer, painter)
        except (pygame.error, RuntimeError) as error:
            pygame.display.quit()
            raise OutputError(
                f"cannot open a window on screen {self.screen}: {error}; possible: --headless"
            ) from error
        self._settling = Settling(self._presenter.size)
        pygame.key.stop_text_input()  # otherwise an input method swallows letters
        pygame.key.set_repeat(_REPEAT_AFTER_MS, _REPEAT_EACH_MS)
        _log.info("window on screen %s, %s", self.screen, self.driver)

    def _open(self, renderer: str, painter: gl.MakePainter | None) -> tuple[SdlWindow, Presenter]:
        card = renderer != "cpu"
        if renderer != "cpu" and painter is not None:
            found = self._open_gl(painter, any_renderer=renderer == "gl")
            if found is not None:
                self._gl = found[1]
                return found
            card = renderer == "auto" and not gl.only_rasteriser()
        window = self._open_window()
        accelerated = sdl_renderer.accelerated(window) if card else None
        return (window, accelerated) if accelerated is not None else self._on_processor(window)

    def _open_gl(
        self, painter: gl.MakePainter, *, any_renderer: bool
    ) -> tuple[SdlWindow, gl.GlPresenter] | None:
        """A window that OpenGL draws in, or None where that is not possible, which is said."""
        window = None
        try:
            gl.prepare()
            window = self._open_window(opengl=True, hidden=True)
            presenter = gl.GlPresenter(window.id, painter, any_renderer=any_renderer)
        except (OSError, ImportError, self._pygame.error, RuntimeError) as error:
            if window is not None:
                window.destroy()
            if any_renderer:
                self._say(f"no OpenGL: {error}; drawing on the CPU")
            else:
                _log.info("no OpenGL: %s", error)
            return None
        window.show()
        return window, presenter

    def _open_window(self, **how: bool) -> SdlWindow:
        window = self._video.Window(
            self._title,
            self.screen.size if self._full_screen else self._windowed_size,
            position=(_CENTRED | self.screen.index, _CENTRED | self.screen.index),
            fullscreen_desktop=self._full_screen,
            resizable=True,
            allow_highdpi=True,
            **how,
        )
        self._pygame.mouse.set_visible(not self._full_screen)
        return window

    def _on_processor(self, window: SdlWindow) -> tuple[SdlWindow, Presenter]:
        try:
            return window, SurfacePresenter(window.id)
        except OSError as error:
            _log.info("drawing with SDL's software renderer: %s", error)
        window.destroy()  # SDL gives no renderer to a window whose pixels were asked for
        window = self._open_window()
        return window, sdl_renderer.software(window)

    @property
    def driver(self) -> str:
        """What draws: ``opengl``, ``metal``, ``software`` …"""
        return self._presenter.driver

    @property
    def renderer(self) -> str:
        """Where the picture is composited: ``gl`` or ``cpu``."""
        return "gl" if self._gl is not None else "cpu"

    @property
    def has_vsync(self) -> bool:
        """Whether ``show`` waits for the screen; if not, the caller has to pace itself."""
        return self._presenter.has_vsync

    @property
    def output_size(self) -> tuple[int, int]:
        """(width, height) of the drawing area in pixels, upright: the best size for an overlay."""
        return upright(self._settling.size, self._turn.rotate)

    @property
    def picture_size(self) -> tuple[int, int]:
        """(width, height) to composite to: upright, at most as many pixels as 1920×1080."""
        width, height = self.output_size
        scale = min(1.0, math.sqrt(_PICTURE_PIXELS / (width * height)))
        return max(2, round(width * scale)), max(2, round(height * scale))

    def show(self, picture: Image, overlay: Array | None = None, stamp: Stamp | None = None) -> None:
        """Draw the picture as large as fits, with black borders, then ``overlay`` over everything, and flip.

        ``picture`` is RGB uint8 (H, W, 3), ``overlay`` RGBA uint8 (H, W, 4), both upright; ``stamp`` is not
        used. An overlay is converted once per array object: draw a changed one into a new array.
        """
        if self._gl is not None:
            self.paint(picture, overlay)
        if self._gl is None:  # and not if that has failed just now
            if self._projector is not None:
                picture = self._projector.project(picture, self.picture_size)
            self._presenter.show(picture, overlay, self._turn)

    def paint(self, scene: Any, overlay: Array | None = None) -> None:
        """Have the painter draw ``scene`` and ``overlay``, and flip; only while ``renderer`` is ``gl``.

        If that fails, ``renderer`` is ``cpu`` from then on, and this picture is not shown.
        """
        if self._gl is None:
            return
        try:
            self._gl.paint(scene, overlay, self._turn)
        except Exception as error:  # whatever a driver does: the show goes on
            self._say(f"the graphics card failed: {error or type(error).__name__}; drawing on the CPU")
            self._leave_gl()

    def _leave_gl(self) -> None:
        presenter, self._gl = self._gl, None
        if presenter is not None:
            presenter.close()
        self._window.destroy()
        self._window, self._presenter = self._on_processor(self._open_window())
        self._reopened = True

    def _say(self, text: str) -> None:
        _log.error("%s", text)
        self._notices.append(text)

    def notices(self) -> list[str]:
        """What has failed since the last call, one line each; logged already."""
        notices, self._notices = self._notices, []
        return notices

    def poll(self) -> list[Event]:
        """Events since the last call, oldest first. Does not block."""
        pygame = self._pygame
        exposing = (
            *(pygame.WINDOWEXPOSED, pygame.WINDOWRESTORED, pygame.WINDOWSHOWN),
            pygame.WINDOWSIZECHANGED,
        )
        events: list[Event] = [Resized()] if self._reopened else []
        self._reopened = False
        if self._settling.see(self._presenter.size, self._clock()):
            events.append(Resized())
        for event in pygame.event.get():
            if event.type == pygame.KEYDOWN:
                if event.mod & (pygame.KMOD_CTRL | pygame.KMOD_ALT | pygame.KMOD_META):
                    continue  # Alt+Tab and the like belong to the desktop
                key = _BY_PLACE.get(event.scancode) or pygame.key.name(event.key)
                events.append(KeyPressed(key, bool(event.mod & pygame.KMOD_SHIFT), key in self._held))
                self._held.add(key)
            elif event.type == pygame.KEYUP:
                self._held.discard(_BY_PLACE.get(event.scancode) or pygame.key.name(event.key))
            elif event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
                events.append(Closed())
            elif event.type in exposing:
                events.append(Exposed())
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._held.clear()
            elif event.type in (pygame.RENDER_TARGETS_RESET, pygame.RENDER_DEVICE_RESET):
                self._presenter.forget()  # the graphics card lost its textures
                events.append(Exposed())
        return events

    @property
    def full_screen(self) -> bool:
        """Whether the window covers its display."""
        return self._full_screen

    def set_full_screen(self, full_screen: bool) -> None:
        """Cover the display at the desktop's resolution, or go back to a window."""
        if full_screen:
            # A desktop resizes it by itself; a bare X server, as in a kiosk, does not.
            self._window.size = self.screen.size
            self._window.set_fullscreen(desktop=True)
        else:
            self._window.set_windowed()
            self._window.size = self._windowed_size
        self._full_screen = full_screen
        self._pygame.mouse.set_visible(not full_screen)

    def set_turn(self, turn: Turn) -> None:
        """The screen hangs otherwise from now on; ``picture_size`` may change."""
        self._turn = turn

    def close(self) -> None:
        """Close the window and release the screen. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self._presenter.close()
            self._window.destroy()
        finally:
            self._pygame.display.quit()
