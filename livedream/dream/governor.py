"""The governor: which working size, and how many steps, hold the dream's rate on this machine now.

:func:`decide` is pure: it is given what was measured and what is prepared, and says what to dream at next
and what to prepare. The picture on the screen comes first: when the show makes its pictures too late, the
dream gives way.

Too slow for a second: fewer steps first, which nobody sees at once, then a smaller working size. With room
for longer, the other way round: back to the size that it began with, then all steps, then larger sizes. A
climb that fails is taken back, and the next one waits twice as long. Everything here works in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from livedream.dream.octaves import STEPS_S
from livedream.frame import USUAL_PX

#: Longer sides of the working size, in pixels.
SIZES = (128, 160, 192, 256, 320, 384, 448, 512, 640, 768, 960, 1280)
#: A camera that is slower than this, as in the dark, is dreamt on at this rate.
_LEAST_HZ = 24.0
#: Half-life of the mean of tick times. A tick counts as at most so many periods: one pause is no overload.
_SMOOTH_S, _MOST_PERIODS = 0.3, 3.0
#: More than this part of a period is an overload; up to this part is filled when going down, and climbing.
_OVERLOAD, _DOWN_TO, _UP_TO = 1.05, 0.9, 0.8
#: How long an overload, or room, must last. After a failed climb the wait doubles, up to the last.
_DOWN_S, _UP_S, _LONGEST_WAIT_S = 1.0, 8.0, 120.0
#: A climb is on trial for this long.
_TRIAL_S = 60.0
#: A climb multiplies the work by at most this: a prediction that is far away is not worth much.
_LARGEST_CLIMB = 4.5
#: What a tick costs besides its steps, in steps at the same size.
_BESIDES_STEPS = 0.7
#: The fraction of late pictures from which on the dream gives way, and down to which it may climb.
_LATE, _PUNCTUAL = 0.1, 0.02
#: So many descents for the sake of the display that did not help show that the dream is not what holds it up.
#: Late pictures then count for nothing until this time has passed.
_VAIN_DESCENTS, _BLAMELESS_S = 3, 600.0
#: After a descent for its sake nothing is predicted: the next climb waits at least this long.
_LATE_WAIT_S = 30.0
#: So many changes of the path are kept.
_LONGEST_PATH = 200


@dataclass(frozen=True)
class Ladder:
    """What may be chosen: ``sizes`` in ascending order, up to ``steps`` a tick, begun at ``usual_px``.

    ``octaves`` is their number at ``usual_px``, each ``octave_scale`` smaller than the one before.
    """

    steps: int
    octaves: int = 3
    octave_scale: float = 1.6
    sizes: tuple[int, ...] = SIZES
    usual_px: int = USUAL_PX

    def octaves_at(self, working_px: int, most: int = 6) -> int:
        """As many octaves as end at the same smallest size: a larger image keeps its large forms. A smaller
        one has two, if there are so many."""
        more = round(math.log(working_px / self.usual_px) / math.log(self.octave_scale))
        return max(min(2, self.octaves), min(most, self.octaves + more))


@dataclass(frozen=True)
class Measurement:
    """The last tick's duration; the fraction of late pictures, 0..1, in the last seconds.

    Not ``steady``: the tick says nothing, because something was being loaded or prepared beside it.
    """

    tick_s: float
    late: float = 0.0
    steady: bool = True


@dataclass(frozen=True)
class Plan:
    """What to dream at; ``prepare`` are the working sizes to make ready beside it, the most wanted first."""

    working_px: int
    steps: int
    octaves: int
    prepare: tuple[int, ...] = ()


Level = tuple[int, int]  # (working_px, steps)


@dataclass(frozen=True)
class State:
    """What :func:`decide` remembers. ``level`` is (working_px, steps); times are in seconds of one clock."""

    level: Level
    now_s: float
    wanted_steps: int
    #: The mean duration of a tick at this level and the rate to hold, 0.0 before the first.
    tick_s: float = 0.0
    busy_since_s: float | None = None
    room_since_s: float | None = None
    #: Since when there has been neither room nor an overload.
    held_since_s: float | None = None
    wait_s: float = _UP_S
    #: The level before a climb that is on trial, and when that was.
    before: Level | None = None
    climbed_s: float = 0.0
    vain: int = 0
    blameless_until_s: float = 0.0


def begin(ladder: Ladder, now_s: float, working_px: int | None = None) -> State:
    """The first state: at the usual size, or the largest below it that there is."""
    wanted = ladder.usual_px if working_px is None else working_px
    size = max((px for px in ladder.sizes if px <= wanted), default=ladder.sizes[0])
    return State((size, ladder.steps), now_s, ladder.steps)


def target_rate_hz(camera_hz: float, dream_rate_hz: float) -> float:
    """The ticks a second to hold: the camera's rate (0: unknown), within reason and ``dream_rate_hz``."""
    return min(max(camera_hz or 30.0, _LEAST_HZ), dream_rate_hz)


def decide(
    state: State,
    measured: Measurement,
    ladder: Ladder,
    ready: Callable[[int], bool],
    target_hz: float,
    now_s: float,
) -> tuple[State, Plan]:
    """What to dream at after a tick that ended at ``now_s``, to hold ``target_hz`` ticks a second.

    ``ready`` says which working sizes could be dreamt at now; the plan goes to no other.
    """
    state = _followed(state, ladder, now_s)
    elapsed_s, state = now_s - state.now_s, replace(state, now_s=now_s)
    if not measured.steady or ladder.steps < 1:
        state = replace(state, busy_since_s=None, room_since_s=None, held_since_s=None, tick_s=0.0)
        return state, _plan(state, ladder, ready, ())
    tick_s = _at_target(measured.tick_s, elapsed_s, state.level[1], target_hz)
    state = replace(state, tick_s=_smoothed(state.tick_s, tick_s, elapsed_s, 1 / target_hz))
    state = _timed(state, measured, ladder, target_hz)
    if state.busy_since_s is not None and now_s - state.busy_since_s >= _DOWN_S:
        return _descend(state, measured, ladder, ready, target_hz)
    if state.room_since_s is not None and now_s - state.room_since_s >= state.wait_s:
        return _climb(state, ladder, ready, target_hz)
    if state.held_since_s is not None and now_s - state.held_since_s >= _UP_S:
        return _exchange(state, ladder, ready, target_hz)
    return state, _plan(state, ladder, ready, (_below(state, ladder),))


def work(level: tuple[int, float]) -> float:
    """The relative cost of a tick at (working_px, steps)."""
    working_px, steps = level
    return working_px**2 * (steps + _BESIDES_STEPS)


def _followed(state: State, ladder: Ladder, now_s: float) -> State:
    """``state`` within a ladder that may have changed: other steps are wanted, or other sizes possible."""
    working_px, steps = state.level
    if ladder.steps != state.wanted_steps:
        all_taken = steps == state.wanted_steps
        steps = ladder.steps if all_taken or not steps else min(steps, ladder.steps)
    if working_px not in ladder.sizes:
        working_px = max((px for px in ladder.sizes if px <= working_px), default=ladder.sizes[0])
    state = replace(state, wanted_steps=ladder.steps)
    return state if (working_px, steps) == state.level else _moved(state, (working_px, steps), now_s)


def _at_target(tick_s: float, elapsed_s: float, steps: int, target_hz: float) -> float:
    """How long a tick would last at the rate to hold: one that comes sooner has fewer steps."""
    taken, wanted = (steps * min(between_s / STEPS_S, 1.0) for between_s in (elapsed_s, 1 / target_hz))
    return tick_s * max(1.0, (wanted + _BESIDES_STEPS) / (taken + _BESIDES_STEPS))


def _smoothed(mean_s: float, tick_s: float, elapsed_s: float, period_s: float) -> float:
    tick_s = min(tick_s, _MOST_PERIODS * period_s)
    if not mean_s:
        return tick_s
    kept: float = 0.5 ** (max(0.0, elapsed_s) / _SMOOTH_S)
    return tick_s + kept * (mean_s - tick_s)


def _timed(state: State, measured: Measurement, ladder: Ladder, target_hz: float) -> State:
    """``state`` with how long there has been an overload, or room."""
    now_s = state.now_s
    blameless = now_s < state.blameless_until_s
    late = 0.0 if blameless else measured.late
    busy = state.tick_s * target_hz > _OVERLOAD or late > _LATE
    above = _next(state.level, ladder)
    room = not busy and late <= _PUNCTUAL and above is not None and _fits(state, above, target_hz, _UP_TO)
    held = not busy and not room and state.level[1] < ladder.steps and state.level[0] > ladder.usual_px
    if state.before is not None and now_s - state.climbed_s > _TRIAL_S:
        state = replace(state, before=None, wait_s=_UP_S)
    return replace(
        state,
        busy_since_s=_since(state.busy_since_s, busy, now_s),
        room_since_s=_since(state.room_since_s, room, now_s),
        held_since_s=_since(state.held_since_s, held, now_s),
        vain=state.vain if measured.late > _LATE else 0,
    )


def _since(since_s: float | None, holds: bool, now_s: float) -> float | None:
    if not holds:
        return None
    return now_s if since_s is None else since_s


def _next(level: Level, ladder: Ladder) -> Level | None:
    """The level above: the usual size, then all steps, then larger sizes."""
    working_px, steps = level
    larger = next((px for px in ladder.sizes if px > working_px), None)
    if steps < ladder.steps and (working_px >= ladder.usual_px or larger is None):
        return working_px, steps + 1
    return None if larger is None else (larger, steps)


def _below(state: State, ladder: Ladder) -> int:
    """The smaller size that must be ready before it is needed.

    Half the size, whose octaves are this one's and cost no memory; the next smaller one when it is getting
    slow.
    """
    working_px, steps = state.level
    most = working_px - 1 if steps < ladder.steps else working_px / 2
    return max((px for px in ladder.sizes if px <= most), default=working_px)


def _fits(state: State, level: Level, target_hz: float, part: float) -> bool:
    """Whether ticks at ``level`` would fill at most this ``part`` of a period."""
    return state.tick_s * work(level) / work(state.level) * target_hz <= part


def _descend(
    state: State, measured: Measurement, ladder: Ladder, ready: Callable[[int], bool], target_hz: float
) -> tuple[State, Plan]:
    working_px, steps = state.level
    slow = state.tick_s * target_hz > _OVERLOAD
    failed = state.before is not None
    if failed:
        state = replace(state, wait_s=min(_LONGEST_WAIT_S, 2 * state.wait_s))
    if not slow:  # only the display is late
        state = replace(state, vain=state.vain + 1, wait_s=max(state.wait_s, _LATE_WAIT_S))
        if state.vain > _VAIN_DESCENTS:
            until_s = state.now_s + _BLAMELESS_S
            state = replace(state, vain=0, blameless_until_s=until_s, busy_since_s=None)
            return state, _plan(state, ladder, ready, ())

    def enough(level: Level) -> bool:
        # Where only the display is late nobody knows how much is enough: a little, and then look again.
        return not slow or _fits(state, level, target_hz, _DOWN_TO)

    if state.before is not None and ready(state.before[0]) and work(state.before) < work(state.level):
        goal = state.before
    elif steps > 1:
        fewer = next((n for n in range(steps - 1, 1, -1) if enough((working_px, n))), 1)
        goal = working_px, fewer
    else:
        smaller = [px for px in ladder.sizes if px < working_px][::-1]
        if not smaller:
            return state, _plan(state, ladder, ready, ())
        wanted = next((px for px in smaller if enough((px, 1))), smaller[-1])
        prepared = [px for px in smaller if ready(px)]
        if not prepared:
            return state, _plan(state, ladder, ready, (wanted,))
        goal = next((px for px in prepared if px <= wanted), prepared[-1]), 1
    state = _moved(replace(state, before=None), goal, state.now_s)
    return state, _plan(state, ladder, ready, (_below(state, ladder),))


def _climb(
    state: State, ladder: Ladder, ready: Callable[[int], bool], target_hz: float
) -> tuple[State, Plan]:
    """Up to the highest level that is likely to fit, as soon as that is ready."""
    goal, above = state.level, _next(state.level, ladder)
    most = _LARGEST_CLIMB * work(state.level)
    while above is not None and work(above) <= most and _fits(state, above, target_hz, _UP_TO):
        goal, above = above, _next(above, ladder)
    if goal == state.level or not ready(goal[0]):
        return state, _plan(state, ladder, ready, (goal[0],))
    before = state.level
    state = replace(_moved(state, goal, state.now_s), before=before, climbed_s=state.now_s)
    return state, _plan(state, ladder, ready, (_below(state, ladder),))


def _exchange(
    state: State, ladder: Ladder, ready: Callable[[int], bool], target_hz: float
) -> tuple[State, Plan]:
    """A large size without its steps is for a moment: rather a smaller one with all of them."""
    smaller = [px for px in ladder.sizes if ladder.usual_px <= px < state.level[0]][::-1]
    fitting = [px for px in smaller if _fits(state, (px, ladder.steps), target_hz, _DOWN_TO)]
    goal = fitting[0] if fitting else ladder.usual_px
    if ready(goal) and fitting:
        state = _moved(replace(state, before=None), (goal, ladder.steps), state.now_s)
        return state, _plan(state, ladder, ready, (_below(state, ladder),))
    return state, _plan(state, ladder, ready, (goal,))


def _moved(state: State, level: Level, now_s: float) -> State:
    """``state`` at another level, where nothing is known yet."""
    return replace(
        state, level=level, tick_s=0.0, busy_since_s=None, room_since_s=None, held_since_s=None, now_s=now_s
    )


def _plan(state: State, ladder: Ladder, ready: Callable[[int], bool], prepare: tuple[int, ...]) -> Plan:
    working_px, steps = state.level
    missing = tuple(px for px in prepare if not ready(px))
    return Plan(working_px, steps, ladder.octaves_at(working_px), missing)


class Governor:
    """:func:`decide` with its memory, and the path that it took: (seconds, working_px, steps) each time.

    It begins at ``first_px``; None: at the usual size.
    """

    def __init__(self, first_px: int | None = None) -> None:
        self._first_px = first_px
        self._state: State | None = None
        self._began_s = 0.0
        self.path: list[tuple[float, int, int]] = []

    def step(
        self,
        measured: Measurement,
        ladder: Ladder,
        ready: Callable[[int], bool],
        target_hz: float,
        now_s: float,
    ) -> Plan:
        """See :func:`decide`."""
        if self._state is None:
            self._state, self._began_s = begin(ladder, now_s, self._first_px), now_s
            self._walked(self._state, now_s)
        level = self._state.level
        self._state, plan = decide(self._state, measured, ladder, ready, target_hz, now_s)
        if self._state.level != level:
            self._walked(self._state, now_s)
        return plan

    def _walked(self, state: State, now_s: float) -> None:
        self.path.append((round(now_s - self._began_s, 2), *state.level))
        if len(self.path) > _LONGEST_PATH:
            del self.path[1]  # where it began stays
