"""When a session ticks: at its rate, and in step with the pictures that come."""

from __future__ import annotations

#: A tick may come earlier by this part of the interval where a new picture waits for it, and later where one
#: is about to come. So ticks come into step with the camera, and pictures do not wait for them.
_SHIFT = 0.25
#: What is early is made up for, but for this part of the time: clocks and cameras are not exact.
_FASTER = 0.02


class Pace:
    """A timer of a changing interval; what is missed is skipped, never caught up in a burst."""

    def __init__(self) -> None:
        self._next_s = self._ticked_s = 0.0
        self._credit_s: float | None = None  # by so much ticks may be early, all together

    def wait_s(self, now: float, interval_s: float, *, fresh: bool, expected_s: float = 0.0) -> float:
        """Seconds until the next tick; 0.0 if it is due.

        ``fresh``: a new picture waits for it; or else the next one is expected at ``expected_s``.
        """
        shift_s = _SHIFT * interval_s
        if fresh:
            return max(0.0, self._next_s - min(self._credit_s or 0.0, shift_s) - now)
        if self._next_s < expected_s <= self._next_s + shift_s:
            return max(0.0, self._next_s + shift_s - now)
        return max(0.0, self._next_s - now)

    def ticks(self, now: float, interval_s: float, *, fresh: bool) -> None:
        """A tick begins, on a ``fresh`` picture or again on the last one."""
        if self._credit_s is None:
            self._credit_s = interval_s
        else:
            early_s = max(0.0, self._next_s - now)
            self._credit_s += _FASTER * min(now - self._ticked_s, 1.0) - early_s
            self._credit_s = min(interval_s, max(0.0, self._credit_s))
        self._ticked_s = now
        if fresh and now - self._next_s <= _SHIFT * interval_s:
            self._next_s = now + interval_s
        else:
            self._next_s = max(self._next_s + interval_s, now + interval_s / 2)
