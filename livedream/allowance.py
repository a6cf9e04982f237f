"""How much somebody may send."""

from __future__ import annotations

from collections.abc import Callable


class Allowance:
    """So much a second, and ``burst_s`` seconds' worth at once. ``clock`` is in seconds."""

    def __init__(self, per_s: float, clock: Callable[[], float], burst_s: float = 2.0) -> None:
        self._per_s, self._clock, self._most = per_s, clock, per_s * burst_s
        self._left, self._since = self._most, clock()

    def allows(self, amount: float = 1.0) -> bool:
        """Whether so much more may come now; what is not allowed does not count."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._since) * self._per_s)
        self._since = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
