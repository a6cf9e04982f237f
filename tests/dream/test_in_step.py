"""Equal dreams that tick at the same time take equal steps."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest

from livedream.dream.ascent import octave_size
from livedream.dream.in_step import InStep, Pace
from livedream.dream.octaves import tick_plan

SIZES = [octave_size(180, 320, n, 1.4) for n in range(4)]


class Dream:
    """Plans ticks as a planner does."""

    def __init__(self, in_step, position=0.0, sizes=SIZES, steps=2):
        self.in_step, self.pace, self.position = in_step, Pace(), position
        self.sizes, self.steps = sizes, steps
        self.taken = Counter()

    def tick(self, elapsed_s):
        span = partial(self.in_step, tuple(self.sizes), self.pace, elapsed_s)
        plan = tick_plan(self.sizes, self.steps, elapsed_s, self.position, span)
        self.position = plan.position
        octaves = [step.octave for step in plan.steps]
        self.taken.update(octaves)
        return octaves


@pytest.fixture
def clock():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    return Clock()


def ticked(clock, rate_hz, dreams, ticks, jitter_s=0.0):
    """What each dream takes in each tick, one after another, at times that vary by up to ``jitter_s``."""
    rng, found, last = np.random.default_rng(1), [], [-1 / rate_hz] * len(dreams)
    for n in range(ticks):
        clock.now = n / rate_hz
        taken = []
        for i, dream in enumerate(dreams):
            now = clock.now + jitter_s * rng.random()
            taken.append(dream.tick(now - last[i]))
            last[i] = now
        found.append(taken)
    return found


@pytest.mark.parametrize("rate_hz", [20, 30, 45, 60, 90])
@pytest.mark.parametrize("jitter_s", [0.0, 0.001])
def test_dreams_that_began_anywhere_come_into_step(clock, rate_hz, jitter_s):
    in_step = InStep(clock)
    dreams = [Dream(in_step, position) for position in (0.0, 0.13, 3.4, 0.5, 7.77)]
    found = ticked(clock, rate_hz, dreams, 300, jitter_s)
    equal = [all(octaves == taken[0] for octaves in taken) for taken in found]
    assert np.mean(equal) > 0.98


@pytest.mark.parametrize("rate_hz", [30, 60])
def test_without_that_they_hardly_ever_do(clock, rate_hz):
    dreams = [Dream(InStep(clock), position) for position in (0.0, 0.13, 3.4, 0.5, 7.77)]
    found = ticked(clock, rate_hz, dreams, 300, 0.001)
    assert np.mean([all(octaves == taken[0] for octaves in taken) for taken in found]) < 0.1


@pytest.mark.parametrize("rates_hz", [(30, 30), (30, 15), (60, 30), (60, 45), (59, 60), (30, 20), (12, 60)])
def test_each_octave_gets_its_share_whatever_others_do(clock, rates_hz):
    in_step = InStep(clock)
    dreams = [Dream(in_step, position) for position in (0.0, 0.4)]
    times = sorted((n / rate, i) for i, rate in enumerate(rates_hz) for n in range(1, 40 * rate))
    for now, i in times:
        clock.now = now
        dreams[i].tick(1 / rates_hz[i])
    for dream, rate in zip(dreams, rates_hz, strict=True):
        rounds = 40 * min(rate, 30) * 2 / 4
        for octave in range(4):
            assert dream.taken[octave] == pytest.approx(rounds, rel=0.02)


def test_other_sizes_have_nothing_to_do_with_it(clock):
    in_step = InStep(clock)
    dreams = [Dream(in_step), Dream(in_step, 0.5, SIZES[:3])]
    alone = [Dream(InStep(clock)), Dream(InStep(clock), 0.5, SIZES[:3])]
    assert ticked(clock, 30, dreams, 50) == ticked(clock, 30, alone, 50)
