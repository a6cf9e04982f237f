"""Which octaves a tick takes its ascent steps at: a pure plan in seconds, with even costs.

A step at full size costs as much as several at the small octaves. So the steps of a round, one at each
octave, are laid out over time by cost: a dear step takes up the time of several cheap ones. Whatever the rate
of ticks, a tick takes the steps that are due in its time, and so costs about as much as the next.
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
STEPS_S = 1 / 36
#: What a step costs whatever its size, in pixels of an image: starting the network, and shaping, enlarging
#: and adding its direction.
_FIXED_PX = 8000
#: A step that is due this close to the end of a tick, in rounds, belongs to the next: times are rounded.
_CLOSE = 1e-6


@dataclass(frozen=True)
class OctaveStep:
    """One ascent step.

    ``octave`` is 0 for the full size; ``turn`` counts the steps at this octave, for its jitter.
    """

    octave: int
    turn: int


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
def due_at(sizes: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
    """When in a round, from 0 to 1, the step at each of these ``sizes`` (height, width) is due."""
    costs = [height * width + _FIXED_PX for height, width in sizes]
    # The dearest at the start, the next one opposite, and the cheap ones between them.
    order = [0, *sorted(range(2, len(sizes), 2), reverse=True), *range(1, len(sizes), 2)]
    due, spent = [0.0] * len(sizes), 0.0
    for n in order:
        # A step is due in the middle of the time that it costs: its neighbours are as far on both sides.
        due[n] = (spent + (costs[n] - costs[0]) / 2) / sum(costs)
        spent += costs[n]
    return tuple(due)


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
    count = steps * min(elapsed_s / STEPS_S, 1.0)  # in the mean
    end = position + count / len(sizes)
    due = due_at(tuple(sizes))
    found = tuple(
        OctaveStep(octave, turn)
        for turn in range(math.floor(position), math.floor(end) + 1)
        for octave in sorted(range(len(sizes)), key=due.__getitem__)
        if position - _CLOSE <= turn + due[octave] < end - _CLOSE
    )
    return TickPlan(found, elapsed_s / count, end)
