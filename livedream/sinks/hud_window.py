"""A window of its own for the information display, on another screen than the audience's."""

from __future__ import annotations

import logging

import numpy as np

from livedream.errors import OutputError, quoted
from livedream.frame import Array, Image, Turn
from livedream.resource import Resource
from livedream.sinks.port import Stamp
from livedream.sinks.screens import chosen, displays

_log = logging.getLogger(__name__)
_UPRIGHT = Turn()


class HudWindow(Resource):
    """Shows the overlay on black, full screen; a :class:`~livedream.sinks.port.Sink` that wants no pictures.

    ``display`` is the number of a screen or a part of its name; ``beside`` the number of the screen that the
    picture is on. Raises ``OutputError`` if that screen is not there, or is the picture's.
    """

    name = "information window"
    #: It wants no pictures.
    watched = False

    def __init__(self, display: str, beside: int | None) -> None:
        screens = displays()
        screen = chosen(screens, display)
        if screen is None or screen.index == beside:
            why = "it is the picture's" if screen else "it is not there"
            found = ", ".join(map(str, screens)) or "none"
            raise OutputError(f"no information on screen {quoted(display)}: {why}; screens: {found}")
        import pygame
        from pygame._sdl2 import video

        from livedream.sinks.sdl_renderer import software

        position = video.WINDOWPOS_CENTERED
        try:
            self._window = video.Window("livedream: information", screen.size, borderless=True)
            self._window.position = _corner(screen.index) or (position, position)
            self._presenter = software(self._window)
        except (pygame.error, RuntimeError) as error:
            raise OutputError(f"cannot open a window on screen {screen}: {error}") from error
        self._size = screen.size
        self._black = np.zeros((2, 2, 3), np.uint8)
        self._shown: Array | None = self._black  # nothing has been shown yet
        self._closed = False
        _log.info("information on screen %s", screen)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the overlay that fits."""
        return self._size

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp) -> None:
        """Nothing: see :meth:`tell`."""

    def tell(self, overlay: Array | None) -> None:
        """Show ``overlay``, RGBA uint8 (H, W, 4), if it is another array than before."""
        if overlay is not self._shown:
            self._shown = overlay
            self._presenter.show(self._black, overlay, _UPRIGHT)

    def close(self) -> None:
        """Close the window. May be called twice."""
        if not self._closed:
            self._closed = True
            self._presenter.close()
            self._window.destroy()


def _corner(index: int) -> tuple[int, int] | None:
    """Where the screen begins on the desktop, None where SDL cannot be reached."""
    from livedream.sinks.sdl import displays_as_sdl_knows_them

    known = displays_as_sdl_knows_them()
    if index >= len(known):
        return None
    _, x, y, *_ = known[index]
    return int(str(x)), int(str(y))
