"""Which octaves a tick takes its ascent steps at: a pure plan in seconds, with even costs.

A step at full size costs as much as several at the small octaves. So the steps of a round, one at each
octave, are laid out over time by cost: a dear step takes up the time of several cheap ones. Whatever the rate
of ticks, a tick takes the steps that are due in its time, and so costs about as much as the next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from livedream.dream.ascent import octave_size
from livedream.frame import working_size
from livedream.settings import Settings

#: ``Settings.steps`` are taken in this time, and in one tick at most.
STEPS_S = 1 / 30
#: What a step costs whatever its size, in pixels of an image: starting the network, and shaping, enlarging
#: and adding its direction.
_FIXED_PX = 8000
#: A dream that is newer than the first, in the mean, has not come to its largest octave yet; until the
#: second, the two largest draw out what the small ones have found.
_FOUND, _DRAWN = 0.57, 0.4
#: It takes at most this many times as many steps as later.
_MOST_FASTER = 2.0
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


def cost_px(size: tuple[int, int]) -> int:
    """What a step at this ``size`` (height, width) costs, in pixels of an image."""
    return size[0] * size[1] + _FIXED_PX


def octaves_when_new(sizes: Sequence[tuple[int, int]], novelty: float) -> tuple[range, float]:
    """Which of ``sizes`` (height, width; the largest first) a dream of this mean ``novelty`` (0..1) takes its
    steps at, and how many times as many of them as later.

    As in the classic loop a dream begins at the smallest octave, where it finds large forms, and goes on to
    larger ones, which refine these. Begun at all octaves at once it would be of fragments. Small octaves are
    cheap: for the time of a usual step there are several of them.
    """
    count = len(sizes)
    if novelty > _FOUND and count > 1:
        new = min((novelty - _FOUND) / (1 - _FOUND), 0.999)
        taken = range(1 + int(new * (count - 1)), count)
    else:
        taken = range(min(2, count) if novelty > _DRAWN else count)
    usual, now = (sum(cost_px(sizes[n]) for n in part) / len(part) for part in (range(count), taken))
    return taken, min(max(usual / now, 1.0), _MOST_FASTER)


@lru_cache(maxsize=64)
def due_at(sizes: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
    """When in a round, from 0 to 1, the step at each of these ``sizes`` (height, width) is due."""
    costs = [cost_px(size) for size in sizes]
    # The dearest at the start, the next one opposite, and the cheap ones between them.
    order = [0, *sorted(range(2, len(sizes), 2), reverse=True), *range(1, len(sizes), 2)]
    due, spent = [0.0] * len(sizes), 0.0
    for n in order:
        # A step is due in the middle of the time that it costs: its neighbours are as far on both sides.
        due[n] = (spent + (costs[n] - costs[0]) / 2) / sum(costs)
        spent += costs[n]
    return tuple(due)


#: Where the steps of a tick begin and end, given where the last one has ended and how many rounds are due.
Span = Callable[[float, float], tuple[float, float]]


def all_due(position: float, rounds: float) -> tuple[float, float]:
    """From ``position`` on, so many ``rounds``."""
    return position, position + rounds


def tick_plan(
    sizes: Sequence[tuple[int, int]],
    steps: float,
    elapsed_s: float,
    position: float = 0.0,
    span: Span = all_due,
) -> TickPlan:
    """The steps of a tick that lasts ``elapsed_s``, from ``position`` on: where the last one has ended.

    ``sizes`` are the octaves' (height, width), the largest first. In the mean a tick of :data:`STEPS_S` and
    more takes ``steps`` of them, a shorter one fewer. Ticks of the same time add the same to a dream, however
    they are divided. ``span`` may choose other places to begin and end.
    """
    if steps <= 0 or not sizes or elapsed_s <= 0:
        return TickPlan((), 0.0, position)
    count = steps * min(elapsed_s / STEPS_S, 1.0)  # in the mean
    position, end = span(position, count / len(sizes))
    due = due_at(tuple(sizes))
    found = tuple(
        OctaveStep(octave, turn)
        for turn in range(math.floor(position), math.floor(end) + 1)
        for octave in sorted(range(len(sizes)), key=due.__getitem__)
        if position - _CLOSE <= turn + due[octave] < end - _CLOSE
    )
    return TickPlan(found, elapsed_s / count, end)
