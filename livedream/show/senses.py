"""What the mirror senses of its surroundings, 0 to 1, for the modulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

import numpy as np

from livedream.controls.patch import HEARD
from livedream.frame import Array
from livedream.show.picture import Picture

_DAY_S = 86400.0


class Senses:
    """Reads a source by its name in :data:`livedream.controls.patch.SENSES`: ``senses("presence")``.

    ``hear`` reads those of the sound; ``clock`` is the local time.
    """

    def __init__(
        self,
        picture: Picture,
        hear: Callable[[str], float],
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._picture, self._hear, self._clock = picture, hear, clock

    def __call__(self, name: str) -> float:
        """The value (0..1) now; 0.0 for what is not sensed."""
        presence = self._picture.presence
        if name in HEARD:
            return self._hear(name)
        if name == "time_of_day":
            return daylight(self._clock())
        if self._picture.somebody is None:
            return 0.0
        match name:
            case "presence":
                return presence.presence
            case "motion":
                return presence.motion if presence.somebody else 0.0
            case "distance":
                return distance(presence.moving)
        return 0.0


def daylight(time: datetime) -> float:
    """0 at midnight, 1 at noon, without a jump between the days."""
    passed_s = time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6
    return (1 - math.cos(2 * math.pi * passed_s / _DAY_S)) / 2


def distance(moving: Array | None) -> float:
    """How far away it is that moves: 0 fills the height of the image, 1 is far away, or nothing.

    ``moving`` is a mask (h, w) in 0..1. A camera alone sees no depth: the height is what tells.
    """
    if moving is None:
        return 1.0
    rows = np.flatnonzero(moving.max(axis=1) > 0.5)
    return 1.0 if rows.size == 0 else 1 - (int(rows[-1] - rows[0]) + 1) / len(moving)
