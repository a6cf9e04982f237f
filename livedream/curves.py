"""The few curves that everything which works over time is made of. All times are in seconds."""

from __future__ import annotations

import math


def decay(half_life_s: float, elapsed_s: float) -> float:
    """What is left after ``elapsed_s`` of something that halves every ``half_life_s``: 0.0 to 1.0.

    A half-life of 0 leaves nothing, an infinite one everything. Applied in two halves of the time it
    leaves the same as at once, so a slow and a fast machine agree.
    """
    if elapsed_s <= 0:
        return 1.0
    return 0.5 ** (elapsed_s / half_life_s) if half_life_s > 0 else 0.0


def half_life_s(kept: float, period_s: float) -> float:
    """The half-life of what keeps the fraction ``kept`` (0..1) of itself every ``period_s``."""
    if kept <= 0:
        return 0.0
    return math.inf if kept >= 1 else period_s * math.log(0.5) / math.log(kept)


def smoothstep(x: float) -> float:
    """0 to 1 as ``x`` goes from 0 to 1, smooth at both ends and held beyond them (3x² - 2x³)."""
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)
