"""The largest working size that there is room for: lower after too little memory, higher again later."""

from __future__ import annotations

from functools import lru_cache

from livedream.dream.governor import SIZES
from livedream.frame import USUAL_PX
from livedream.settings import Settings

#: A lowered ceiling is tried one size higher after this long; twice as long each time that it did not last.
RETRY_S, _MOST_RETRY_S = 60.0, 3840.0


class Ceiling:
    """Bounds the working size. ``limit_px`` is its longer side, for good; None is no bound."""

    def __init__(self, limit_px: int | None = None) -> None:
        self._limit_px = limit_px
        self._lowered_px: int | None = None  # for the time being
        self._retry_s = RETRY_S
        self._until_s = 0.0
        self._raised_s: float | None = None  # when it was last raised

    @property
    def lowered(self) -> bool:
        """Whether it is lower than it was asked to be."""
        return self._lowered_px is not None

    @property
    def px(self) -> int | None:
        """The longer side that may be dreamt now, None: any."""
        return min(filter(None, (self._limit_px, self._lowered_px)), default=None)

    def lower(self, dreamt_px: int, now: float) -> bool:
        """Go one size below ``dreamt_px``, for which there was no room; False when there is none below."""
        smaller = [px for px in SIZES if px < dreamt_px]
        if not smaller:
            return False
        if self._raised_s is not None and now - self._raised_s < RETRY_S:
            self._retry_s = min(2 * self._retry_s, _MOST_RETRY_S)
        else:
            self._retry_s = RETRY_S
        self._lowered_px, self._until_s = smaller[-1], now + self._retry_s
        return True

    def step(self, now: float) -> bool:
        """Raise a lowered ceiling by one size when it is time to; whether it was."""
        if self._lowered_px is None or now < self._until_s:
            return False
        self._lowered_px = next((px for px in SIZES if px > self._lowered_px), None)
        self._raised_s, self._until_s = now, now + self._retry_s
        return True

    def settings(self, wanted: Settings) -> Settings:
        """``wanted``, at no larger a working size than there is room for."""
        px = self.px
        return wanted if px is None or (wanted.working_px or USUAL_PX) <= px else _at(wanted, px)


@lru_cache(maxsize=16)  # every replacement checks all settings
def _at(settings: Settings, working_px: int) -> Settings:
    return settings.replace(working_px=working_px)
