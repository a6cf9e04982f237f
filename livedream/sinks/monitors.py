"""Notices that screens come, go, or change their resolution.

SDL tells some of it: on X11 (2.28) it learns of a screen that is plugged in, but of none that is switched off
or has another resolution, and keeps what it knew. So there the X server is asked, by a connection of its own.
"""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable

from livedream.sinks.sdl import displays_as_sdl_knows_them

_log = logging.getLogger(__name__)

#: How often to look, and for how long all must have been the same before it counts: a program that arranges
#: screens does it in several steps.
_EACH_S, _SETTLED_S = 0.5, 1.0

#: What there is: a tuple for each screen. Two are compared, nothing else.
Monitors = tuple[tuple[object, ...], ...]


class MonitorWatch:
    """Tells when the screens are others than before. Times are ``now``, in seconds of one clock."""

    def __init__(self, look: Callable[[], Monitors] | None = None) -> None:
        self._look = look or look_by_system()
        self._known = self._newest = self._look()
        self._since_s = self._looked_s = float("-inf")

    def changed(self, now: float) -> bool:
        """Whether they have changed, and stayed so; once for each change. No screen at all is no change."""
        if now - self._looked_s < _EACH_S:
            return False
        self._looked_s = now
        monitors = self._look()
        if monitors != self._newest:
            self._newest, self._since_s = monitors, now
        if not monitors or monitors == self._known or now - self._since_s < _SETTLED_S:
            return False
        self._known = monitors
        return True

    def close(self) -> None:
        """Let go of the connection. Nothing changes any more. May be called twice."""
        if isinstance(self._look, _XMonitors):
            self._look.close()
        self._look = tuple


def look_by_system() -> Callable[[], Monitors]:
    """What lists the screens here: the X server itself, or SDL."""
    import pygame

    if sys.platform == "linux" and pygame.display.get_init() and pygame.display.get_driver() == "x11":
        try:
            return _XMonitors()
        except OSError as error:
            _log.info("changes of the screens are noticed only as far as SDL tells: %s", error)
    return displays_as_sdl_knows_them


class _MonitorInfo(ctypes.Structure):
    """XRRMonitorInfo."""

    _fields_ = (
        ("name", ctypes.c_ulong),
        ("primary", ctypes.c_int),
        ("automatic", ctypes.c_int),
        ("noutput", ctypes.c_int),
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("mwidth", ctypes.c_int),
        ("mheight", ctypes.c_int),
        ("outputs", ctypes.c_void_p),
    )


class _XMonitors:
    """The X server's active monitors. Raises ``OSError`` where it or a library is too old, or not there."""

    def __init__(self) -> None:
        x11 = self._x11 = ctypes.CDLL("libX11.so.6")
        xrandr = ctypes.CDLL("libXrandr.so.2")
        x11.XOpenDisplay.restype, x11.XOpenDisplay.argtypes = ctypes.c_void_p, (ctypes.c_char_p,)
        x11.XDefaultRootWindow.restype, x11.XDefaultRootWindow.argtypes = ctypes.c_ulong, (ctypes.c_void_p,)
        try:
            self._get, self._free = xrandr.XRRGetMonitors, xrandr.XRRFreeMonitors
        except AttributeError as error:
            raise OSError("libXrandr is older than 1.5") from error
        self._get.restype = ctypes.POINTER(_MonitorInfo)
        self._get.argtypes = (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.POINTER(ctypes.c_int))
        self._free.argtypes = (ctypes.POINTER(_MonitorInfo),)
        x11.XCloseDisplay.argtypes = (ctypes.c_void_p,)
        self._display = x11.XOpenDisplay(None)
        if not self._display:
            raise OSError("the X server does not answer")
        self._root = x11.XDefaultRootWindow(self._display)

    def __call__(self) -> Monitors:
        count = ctypes.c_int()
        found = self._get(self._display, self._root, 1, ctypes.byref(count))
        monitors = [found[n] for n in range(max(0, count.value))] if found else []
        result = tuple((m.name, m.x, m.y, m.width, m.height) for m in monitors)
        if found:
            self._free(found)
        return result

    def close(self) -> None:
        """Close the connection."""
        self._x11.XCloseDisplay(self._display)
