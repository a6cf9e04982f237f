"""What a tick dreams and its ascent steps: the octaves' plan at the sizes and jitter of this moment."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from livedream.dream.ascent import PlannedStep, even_shift, octave_size
from livedream.dream.gradients import Gradients
from livedream.dream.in_step import InStep, Pace
from livedream.dream.octaves import Span, all_due, octaves_when_new, tick_plan
from livedream.dream.targets import Mix, sees_strokes
from livedream.settings import Settings

#: What a tick is taken to last when nothing says so, and at most, so that nothing leaps after a pause.
_USUAL_TICK_S, _LONGEST_TICK_S = 1 / 30, 0.5


class TickTimes:
    """When ticks are, on any clock: ``now_s`` is the time of the last one, 0.0 before the first."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._begun = False

    def __call__(self, time_s: float | None) -> float:
        """How long a tick at ``time_s`` lasts: the time since the last one. Without one 30 come a second."""
        if not self._begun:
            self._begun, self.now_s = True, time_s or 0.0
            return _USUAL_TICK_S
        before_s, self.now_s = self.now_s, self.now_s + _USUAL_TICK_S if time_s is None else time_s
        return min(max(0.0, self.now_s - before_s), _LONGEST_TICK_S)


@dataclass(frozen=True)
class Planned:
    """What is dreamt in a tick, nothing while it is being opened; its steps, and how long each stands for."""

    mix: Mix
    steps: tuple[PlannedStep, ...] = ()
    step_s: float = 0.0


class Planner:
    """Plans tick after tick. The same ``seed`` gives the same jitter; with ``begun`` not even the first tick
    waits for what it needs.

    Dreams that share ``in_step`` take equal steps at the same time.
    """

    def __init__(self, gradients: Gradients, seed: int, begun: bool, in_step: InStep | None = None) -> None:
        self._gradients = gradients
        first, second = np.random.default_rng(seed).random(2).tolist()
        self._first_shift = first, second
        self._in_step, self._pace = in_step, Pace()
        self._position = 0.0  # in the round of octaves
        #: Whether anything has been dreamt: only the first tick waits for what it needs.
        self.begun = begun

    def __call__(
        self, mix: Mix, size: tuple[int, int], settings: Settings, elapsed_s: float, novelty: float
    ) -> Planned:
        """The plan of a tick that lasts ``elapsed_s``, on a frame of ``size`` (height, width).

        ``novelty`` (0..1) is how new the dream is, in the mean. Raises as :meth:`Gradients.step`.
        """
        if not (settings.steps and mix):
            return Planned({})
        sizes = [octave_size(*size, n, settings.octave_scale) for n in range(settings.octaves)]
        now, there = self._gradients.at_once(mix, sizes)
        if not now:
            if self.begun:
                return Planned({})
            now = mix
        # The larger the octave, the longer the step: fine detail is lost first. Layers that see only strokes
        # have enough of it, and no large forms to begin with.
        strokes = sum(weight for target, weight in now.items() if sees_strokes(target))
        taken, faster = octaves_when_new(sizes, novelty * (1 - strokes))
        steps_now = settings.steps * faster
        span: Span = all_due
        if self._in_step is not None:
            what = tuple(target.key for target in now), tuple(sizes), taken
            span = functools.partial(self._in_step, what, self._pace, elapsed_s)
        plan = tick_plan([sizes[n] for n in taken], steps_now, elapsed_s, self._position, span)
        self._position = plan.position
        mean_side = sum(side for side, _ in sizes) / len(sizes)
        steps = []
        for step in plan.steps:
            at = sizes[min((abs(n - taken[step.octave]), n) for n in there)[1]]
            reach = strokes + (1 - strokes) * at[0] / mean_side
            shift = even_shift(settings.jitter, step.turn, self._first_shift)
            steps.append(PlannedStep(at, shift, reach))
        return Planned(now, tuple(steps), plan.step_s)
