"""A size that is dragged about: only where it comes to rest does anything begin anew for it."""

from __future__ import annotations

Size = tuple[int, int]  # (width, height) in pixels

#: At rest for as long: a hand that drags a window's edge stops for less.
_REST_S = 0.2


class Settling:
    """The last size at which a window was at rest. Times are ``now``, in seconds of one clock."""

    def __init__(self, size: Size) -> None:
        self.size = self._newest = size
        self._since_s = 0.0

    def see(self, size: Size, now: float) -> bool:
        """Take the size of now; whether it has come to rest at another one."""
        if size != self._newest:
            self._newest, self._since_s = size, now
        if size == self.size or now - self._since_s < _REST_S:
            return False
        self.size = size
        return True
