"""What fake mirrors found in a room, as figures: rates, fairness, the age of residuals, what a kill costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec

from livedream.timing import Percentiles, summarise


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A residual that came. ``age_s`` is since its frame was captured, ``trip_s`` since its picture was sent;
    the room says how long that waited and how long the tick took."""

    arrived_s: float
    age_s: float
    trip_s: float
    tick_s: float
    waited_s: float


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A status that came: how many ticks the session has had, at which size."""

    arrived_s: float
    ticks: int
    working_px: int


class Found(msgspec.Struct, kw_only=True):
    """What one mirror found. Times are by the machine's monotonic clock."""

    name: str
    layer: str
    camera_hz: float
    answers: list[Answer] = []
    told: list[Told] = []
    began_s: float = 0.0
    ended_s: float = 0.0
    up_bytes: int = 0
    down_bytes: int = 0
    joins: int = 0
    moves: int = 0
    losses: int = 0
    unanswered: int = 0
    refusals: list[str] = []
    errors: list[str] = []

    @property
    def seconds(self) -> float:
        return max(1e-9, self.ended_s - self.began_s)

    @property
    def ticks_hz(self) -> float:
        """Ticks a second, from the counts of its sessions."""
        pairs = [(a, b) for a, b in pairwise(self.told) if b.ticks >= a.ticks]
        if not pairs:
            return 0.0
        return sum(b.ticks - a.ticks for a, b in pairs) / (self.told[-1].arrived_s - self.told[0].arrived_s)

    @property
    def residuals_hz(self) -> float:
        return len(self.answers) / self.seconds

    @property
    def unused(self) -> float:
        """The fraction of the camera's frames that no residual was dreamt on: newer ones were sent."""
        return max(0.0, 1 - self.residuals_hz / self.camera_hz)

    @property
    def working_px(self) -> int:
        return self.told[-1].working_px if self.told else 0


def jain(rates: Sequence[float]) -> float:
    """Jain's index of fairness: 1.0 where all have the same, 1/n where one has everything."""
    squares = len(rates) * sum(rate**2 for rate in rates)
    return sum(rates) ** 2 / squares if squares else 0.0


def parts_ms(found: Iterable[Found]) -> dict[str, Percentiles]:
    """Of all residuals, in ms: from the frame to the residual, and what of it was what.

    ``camera`` is what a frame waited in the mirror, because the one before was on its way; ``rest`` is the
    network, the relay, and the packing of pixels in the room.
    """
    answers = [answer for mirror in found for answer in mirror.answers]
    return {
        "frame to residual": summarise(a.age_s * 1e3 for a in answers),
        "camera": summarise((a.age_s - a.trip_s) * 1e3 for a in answers),
        "wait in the room": summarise(a.waited_s * 1e3 for a in answers),
        "tick": summarise(a.tick_s * 1e3 for a in answers),
        "rest": summarise((a.trip_s - a.tick_s - a.waited_s) * 1e3 for a in answers),
    }


def gaps_s(mirror: Found) -> list[tuple[float, float]]:
    """(begin, seconds) without a residual, between any two and at both ends of the measured time."""
    times = [mirror.began_s, *(answer.arrived_s for answer in mirror.answers), mirror.ended_s]
    return [(a, b - a) for a, b in pairwise(times)]


def kill_costs_s(found: Sequence[Found], kills: Sequence[float]) -> list[list[float]]:
    """For each kill how long each mirror then was without a residual, the longest first; only what is longer
    than a second's half, which no working room takes."""
    costs = []
    for at_s, next_s in pairwise([*kills, float("inf")]):
        after = [
            max((length for begin, length in gaps_s(m) if at_s - 0.5 < begin < next_s), default=0.0)
            for m in found
        ]
        costs.append(sorted((cost for cost in after if cost > 0.5), reverse=True))
    return costs
