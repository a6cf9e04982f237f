"""What pygame does not reach of SDL: a window's own pixels, and OpenGL in a window, by ctypes.

Everything here answers None, or raises ``OSError``, where SDL cannot be reached or refuses.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import sys
from pathlib import Path

import cv2
import numpy as np

from livedream.frame import Array

_log = logging.getLogger(__name__)

#: SDL's 32-bit pixel formats (SDL_PIXELFORMAT_RGB888, ARGB8888, BGR888 and ABGR8888): what turns RGB into
#: the order of their bytes in memory, and pygame's name for it.
_FORMATS = {
    0x16161804: (cv2.COLOR_RGB2BGRA, "BGRA"),
    0x16362004: (cv2.COLOR_RGB2BGRA, "BGRA"),
    0x16561804: (cv2.COLOR_RGB2RGBA, "RGBA"),
    0x16762004: (cv2.COLOR_RGB2RGBA, "RGBA"),
}
_FUNCTIONS = {
    "SDL_GetError": (ctypes.c_char_p, ()),
    "SDL_GetWindowFromID": (ctypes.c_void_p, (ctypes.c_uint32,)),
    "SDL_GetWindowSurface": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "SDL_UpdateWindowSurface": (ctypes.c_int, (ctypes.c_void_p,)),
    "SDL_GetNumVideoDisplays": (ctypes.c_int, ()),
    "SDL_GetDisplayBounds": (ctypes.c_int, (ctypes.c_int, ctypes.POINTER(ctypes.c_int * 4))),
    "SDL_GetDisplayName": (ctypes.c_char_p, (ctypes.c_int,)),
    "SDL_GL_SetAttribute": (ctypes.c_int, (ctypes.c_int, ctypes.c_int)),
    "SDL_GL_CreateContext": (ctypes.c_void_p, (ctypes.c_void_p,)),
    "SDL_GL_DeleteContext": (None, (ctypes.c_void_p,)),
    "SDL_GL_MakeCurrent": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_void_p)),
    "SDL_GL_SetSwapInterval": (ctypes.c_int, (ctypes.c_int,)),
    "SDL_GL_SwapWindow": (None, (ctypes.c_void_p,)),
    "SDL_GL_GetDrawableSize": (
        None,
        (ctypes.c_void_p, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)),
    ),
    "SDL_GL_GetProcAddress": (ctypes.c_void_p, (ctypes.c_char_p,)),
}
#: SDL_GL_CONTEXT_MAJOR_VERSION, …_MINOR_VERSION and …_PROFILE_MASK (core): OpenGL 3.3, moderngl's least.
_GL_VERSION = ((17, 3), (18, 3), (21, 1))


@functools.cache
def library() -> ctypes.CDLL | None:
    """The SDL library that pygame loaded; None if it cannot be reached."""
    import pygame.base

    module = Path(pygame.base.__file__)
    # Elsewhere a lookup in the extension module also searches the libraries it links to.
    path = module.parent / "SDL2.dll" if sys.platform == "win32" else module
    try:
        sdl = ctypes.CDLL(str(path))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(sdl, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        _log.info("cannot reach SDL itself: no names of displays, no drawing into a window's own pixels")
        return None
    return sdl


def _refused(sdl: ctypes.CDLL, what: str) -> OSError:
    return OSError(f"{what}: {(sdl.SDL_GetError() or b'no reason given').decode(errors='replace')}")


def _window(sdl: ctypes.CDLL, window_id: int) -> int:
    pointer = sdl.SDL_GetWindowFromID(window_id)
    if not pointer:
        raise _refused(sdl, "no such window")
    return int(pointer)


def displays_as_sdl_knows_them() -> tuple[tuple[object, ...], ...]:
    """Name, x, y, width and height of each screen; nothing where SDL cannot be reached."""
    sdl, found = library(), []
    if sdl is None:
        return ()
    for n in range(sdl.SDL_GetNumVideoDisplays()):
        bounds = (ctypes.c_int * 4)()
        sdl.SDL_GetDisplayBounds(n, ctypes.byref(bounds))
        found.append((sdl.SDL_GetDisplayName(n), *bounds))
    return tuple(found)


class _Surface(ctypes.Structure):
    """The head of SDL_Surface."""

    _fields_ = (
        ("flags", ctypes.c_uint32),
        ("format", ctypes.POINTER(ctypes.c_uint32)),  # SDL_PixelFormat, which begins with its number
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("pitch", ctypes.c_int),
        ("pixels", ctypes.c_void_p),
    )


class WindowSurface:
    """The pixels of a window without a renderer: whoever writes them saves the copies that SDL would make.

    Raises ``OSError`` if SDL cannot be reached, or keeps the pixels in a format that is not known here.
    """

    def __init__(self, window_id: int) -> None:
        sdl = library()
        if sdl is None:
            raise OSError("SDL cannot be reached")
        self._sdl, self._window = sdl, _window(sdl, window_id)
        self._place: tuple[int, ...] = ()
        self._pixels = np.zeros((0, 0, 4), np.uint8)
        self.from_rgb, self.format = cv2.COLOR_RGB2BGRA, "BGRA"
        self.pixels()

    def pixels(self) -> Array:
        """The window's pixels now, (height, width, 4) uint8 in the order of ``format``, to be written.

        The same array until the window changes its size; do not use an older one. OpenCV's conversion
        ``from_rgb`` makes such pixels of RGB.
        """
        pointer = self._sdl.SDL_GetWindowSurface(self._window)
        if not pointer:
            raise _refused(self._sdl, "no pixels of the window")
        surface = ctypes.cast(pointer, ctypes.POINTER(_Surface)).contents
        width, height, pitch, address = surface.w, surface.h, surface.pitch, surface.pixels
        place = (width, height, pitch, address or 0)
        if place != self._place:
            number = surface.format.contents.value
            if number not in _FORMATS or not address or pitch != 4 * width:
                raise OSError(f"the window's pixels have the format {number:#x}, {pitch} bytes a row")
            self.from_rgb, self.format = _FORMATS[number]
            memory = (ctypes.c_uint8 * (pitch * height)).from_address(address)
            self._pixels = np.frombuffer(memory, np.uint8).reshape(height, width, 4)
            self._place = place
        return self._pixels

    def update(self) -> None:
        """Bring the pixels to the screen. Raises ``OSError``."""
        if self._sdl.SDL_UpdateWindowSurface(self._window) != 0:
            raise _refused(self._sdl, "the window's pixels cannot be shown")


class GlContext:
    """OpenGL 3.3 in a window that was opened for it; the context is current from then on.

    Raises ``OSError`` if there is none.
    """

    def __init__(self, window_id: int) -> None:
        sdl = library()
        if sdl is None:
            raise OSError("SDL cannot be reached")
        self._sdl, self._window = sdl, _window(sdl, window_id)
        self._context = sdl.SDL_GL_CreateContext(self._window)
        if not self._context:
            raise _refused(sdl, "no OpenGL context")
        sdl.SDL_GL_MakeCurrent(self._window, self._context)
        #: Whether :meth:`swap` waits for the screen.
        self.has_vsync = sdl.SDL_GL_SetSwapInterval(1) == 0

    @staticmethod
    def ask_version() -> None:
        """Ask for the version before the window is opened."""
        sdl = library()
        if sdl is None:
            return
        for attribute, value in _GL_VERSION:
            sdl.SDL_GL_SetAttribute(attribute, value)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the drawing area in pixels."""
        width, height = ctypes.c_int(), ctypes.c_int()
        self._sdl.SDL_GL_GetDrawableSize(self._window, ctypes.byref(width), ctypes.byref(height))
        return max(1, width.value), max(1, height.value)

    def swap(self) -> None:
        """Show what was drawn."""
        self._sdl.SDL_GL_SwapWindow(self._window)

    def close(self) -> None:
        """Delete the context. May be called twice."""
        context, self._context = self._context, None
        if context:
            self._sdl.SDL_GL_DeleteContext(context)


def gl_renderer_name() -> str:
    """What the current OpenGL context calls its renderer (GL_RENDERER), or ''."""
    sdl = library()
    address = sdl.SDL_GL_GetProcAddress(b"glGetString") if sdl is not None else None
    if not address:
        return ""
    name = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_uint)(address)(0x1F01) or b""
    return name.decode(errors="replace")
