"""Attract mode: with nobody there the mirror dreams by itself, until somebody comes."""

from __future__ import annotations

from typing import Literal

#: The scene that is the attract dream.
ATTRACT_SCENE = "attract"


class Attract:
    """Decides when the attract dream begins and ends. Times are ``now``, in seconds of one clock.

    ``active`` is whether it is on, ``times`` how often it has begun.
    """

    def __init__(self, now: float) -> None:
        self.active = False
        self.times = 0
        self._empty_since_s = now
        self._blind = False

    def step(
        self, now: float, somebody: bool, after_s: float, *, blind: bool = False
    ) -> Literal["begin", "end"] | None:
        """What happens now, if anything. It begins after ``after_s`` seconds without anybody; 0 is never.

        It also begins at once when the mirror goes ``blind``, and ends when it no longer is: it has lost its
        camera. Meanwhile :meth:`wake` ends it, too.
        """
        was_blind, self._blind = self._blind, blind
        if after_s == 0 or (was_blind and not blind):
            return self.wake(now)
        if blind:
            if was_blind or self.active:
                return None
            return self._begin()
        if somebody:
            return self.wake(now)
        if self.active or now - self._empty_since_s < after_s:
            return None
        return self._begin()

    def _begin(self) -> Literal["begin"]:
        self.active = True
        self.times += 1
        return "begin"

    def wake(self, now: float) -> Literal["end"] | None:
        """Somebody is there, or has used a control."""
        self._empty_since_s = now
        if not self.active:
            return None
        self.active = False
        return "end"

    def due_s(self, now: float, after_s: float) -> float:
        """Seconds until it begins if nobody comes; 0.0 when it is on."""
        return 0.0 if self.active else max(0.0, after_s - (now - self._empty_since_s))
