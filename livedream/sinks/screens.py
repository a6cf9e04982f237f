"""Finds the connected screens and whether a window on them would be visible."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from livedream.sinks.sdl import gl_renderer_name, library

_log = logging.getLogger(__name__)

#: SDL falls back to these when no display server answers; nothing is visible there.
_BLIND_DRIVERS = ("dummy", "offscreen", "evdev", "kmsdrm")
_SERVERS = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
_RASTERISERS = ("llvmpipe", "softpipe", "swrast", "software", "swiftshader", "basic render", "lavapipe")
_HINTS = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    "SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS": "0",
    "SDL_VIDEO_ALLOW_SCREENSAVER": "0",
    "SDL_VIDEO_X11_WMCLASS": "livedream",
    "SDL_RENDER_SCALE_QUALITY": "linear",
    # Otherwise SDL copies a software picture to the screen through OpenGL: 2.5 ms instead of 0.2 at 720p.
    "SDL_FRAMEBUFFER_ACCELERATION": "0",
}


@dataclass(frozen=True)
class DisplayInfo:
    """One screen: ``size`` is (width, height) of its desktop in pixels; ``refresh_hz`` is 0 if unknown."""

    index: int
    size: tuple[int, int]
    name: str
    refresh_hz: int

    def __str__(self) -> str:
        return f"{self.index} ({self.name}, {self.size[0]}x{self.size[1]})"


def start_video() -> bool:
    """Start SDL's video (no sound); whether a real screen answered.

    SDL's drivers without a screen count only if SDL_VIDEODRIVER names one. Video stays on until a window is
    closed: an X server without any other client restarts when its last one disconnects.
    """
    pygame = _pygame()
    if sys.platform == "linux" and not any(os.environ.get(name) for name in _SERVERS):
        return False
    try:
        pygame.display.init()
    except pygame.error as error:
        _log.info("no screen: %s", error)
        return False
    driver = pygame.display.get_driver().lower()
    if driver in _BLIND_DRIVERS and driver not in os.environ.get("SDL_VIDEODRIVER", "").lower():
        _log.info("no screen: SDL has only its %s driver", driver)
        pygame.display.quit()
        return False
    return True


def _pygame() -> ModuleType:
    """pygame, without its greeting, and with the SDL hints a mirror needs."""
    for name, value in _HINTS.items():
        os.environ.setdefault(name, value)
    import pygame

    return pygame


def displays() -> list[DisplayInfo]:
    """The connected screens, in the order of ``--display`` numbers; empty if there are none."""
    if not start_video():
        return []
    sizes = _pygame().display.get_desktop_sizes()
    return [DisplayInfo(i, size, *_name_and_rate(i)) for i, size in enumerate(sizes)]


def chosen(screens: Sequence[DisplayInfo], wanted: str) -> DisplayInfo | None:
    """The screen that ``wanted`` means, None while it isn't there: a number, or a part of a name, in letters
    large or small. Nothing means the first."""
    wanted = wanted.strip()
    if not wanted or wanted.isdecimal():
        number = int(wanted or "0")
        return screens[number] if number < len(screens) else None
    return next((screen for screen in screens if wanted.casefold() in screen.name.casefold()), None)


def screen_available() -> bool:
    """Whether a window would be visible here. Opens none."""
    return start_video()


def screen_expected() -> bool:
    """Whether the environment names a display server, though it may not answer."""
    return any(os.environ.get(name) for name in _SERVERS)


def is_rasteriser(gl_renderer: str) -> bool:
    """Whether an OpenGL renderer of this name (GL_RENDERER) is a program, and not a graphics card."""
    return any(word in gl_renderer.lower() for word in _RASTERISERS)


def software_rasteriser() -> str:
    """The software rasteriser behind the current OpenGL context, or '' on a real graphics card.

    Such an "accelerated" renderer runs on every core and takes many times longer than a copy.
    """
    name = gl_renderer_name()
    return name if is_rasteriser(name) else ""


class _DisplayMode(ctypes.Structure):
    """SDL_DisplayMode."""

    _fields_ = (
        ("format", ctypes.c_uint32),
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("refresh_rate", ctypes.c_int),
        ("driverdata", ctypes.c_void_p),
    )


def _name_and_rate(index: int) -> tuple[str, int]:
    """Name and refresh rate of a display, for which pygame has no call."""
    sdl = library()
    if sdl is None:
        return "display", 0
    mode = _DisplayMode()
    sdl.SDL_GetDesktopDisplayMode(index, ctypes.byref(mode))
    name = sdl.SDL_GetDisplayName(index) or b"display"
    return name.decode(errors="replace"), mode.refresh_rate
