"""Which octaves a tick takes its ascent steps at: a pure plan in seconds, with even costs.

A step at full size costs as much as several at the small octaves, and is worth little more. So the steps
follow a round in which the small octaves come more often, and each step counts for as much as makes up for
how often it comes. The round is laid out over time by cost: a dear step takes up the time of several cheap
ones. Whatever the rate of ticks, a tick takes the steps that are due in its time, and so costs about as much
as the next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from livedream.dream.ascent import octave_size
from livedream.frame import working_size
from livedream.settings import Settings

#: ``Settings.steps`` are taken in this time, and in one tick at most.
STEPS_S = 1 / 30
#: An octave whose sides are at most this fraction of the largest one's comes three times in a round, the
#: others twice. With half as often (seen with bvlc_googlenet) the fine detail of a step at full size turns to
#: dots: too few directions are averaged.
_SMALL = 0.4
#: What a step costs whatever its size, in pixels of an image: starting the network, and shaping, enlarging
#: and adding its direction.
_FIXED_PX = 8000
#: A step that is due this close to the end of a tick, in rounds, belongs to the next: times are rounded.
_CLOSE = 1e-6


@dataclass(frozen=True)
class OctaveStep:
    """One ascent step.

    ``octave`` is 0 for the full size; ``turn`` counts the steps at this octave, for its jitter; ``weight`` is
    how much its direction counts, so that rare octaves are as strong as frequent ones.
    """

    octave: int
    turn: int
    weight: float


@dataclass(frozen=True)
class Round:
    """A round of steps: the ``octaves`` in order, and when each is ``due``, from 0 to 1."""

    octaves: tuple[int, ...]
    due: tuple[float, ...]

    def times(self, octave: int) -> int:
        """How often an octave comes in one round."""
        return self.octaves.count(octave)


@dataclass(frozen=True)
class TickPlan:
    """The steps of one tick, how long each stands for in seconds, and the ``position`` in rounds after it."""

    steps: tuple[OctaveStep, ...]
    step_s: float
    position: float


def octave_sizes(settings: Settings, aspect: float) -> list[tuple[int, int]]:
    """(width, height) of each octave of a frame of this ``aspect`` (width / height), the largest first."""
    width, height = working_size(round(10_000 * aspect), 10_000, settings.working_px)
    sizes = (octave_size(height, width, n, settings.octave_scale) for n in range(settings.octaves))
    return [size[::-1] for size in dict.fromkeys(sizes)]


@lru_cache(maxsize=64)
def round_of(sizes: tuple[tuple[int, int], ...]) -> Round:
    """The round for octaves of these ``sizes`` (height, width), the largest first."""
    largest = sizes[0][0]
    small = [n for n, (side, _) in enumerate(sizes) if side <= _SMALL * largest]
    once = [0, *small, *(n for n in range(1, len(sizes)) if n not in small)]
    order = [*once, *once, *small]
    costs = [height * width + _FIXED_PX for height, width in (sizes[n] for n in order)]
    total = sum(costs)
    # A step is due in the middle of the time that it costs: its neighbours are as far on both sides.
    middles = [sum(costs[:n]) + cost / 2 for n, cost in enumerate(costs)]
    return Round(tuple(order), tuple((middle - middles[0]) / total for middle in middles))


def tick_plan(
    sizes: Sequence[tuple[int, int]], steps: int, elapsed_s: float, position: float = 0.0
) -> TickPlan:
    """The steps of a tick that lasts ``elapsed_s``, from ``position`` on: where the last one has ended.

    ``sizes`` are the octaves' (height, width), the largest first. In the mean a tick of :data:`STEPS_S` and
    more takes ``steps`` of them, a shorter one fewer. Ticks of the same time add the same to a dream, however
    they are divided.
    """
    if steps < 1 or not sizes or elapsed_s <= 0:
        return TickPlan((), 0.0, position)
    steps_round = round_of(tuple(sizes))
    count = steps * min(elapsed_s / STEPS_S, 1.0)  # in the mean
    end = position + count / len(steps_round.octaves)
    found = []
    for turn in range(math.floor(position), math.floor(end) + 1):
        for n, (octave, due) in enumerate(zip(steps_round.octaves, steps_round.due, strict=True)):
            if position - _CLOSE <= turn + due < end - _CLOSE:
                times = steps_round.times(octave)
                number = turn * times + steps_round.octaves[:n].count(octave)
                weight = len(steps_round.octaves) / (len(sizes) * times)
                found.append(OctaveStep(octave, number, weight))
    return TickPlan(tuple(found), elapsed_s / count, end)
