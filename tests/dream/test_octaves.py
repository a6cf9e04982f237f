"""The plan of octaves: the same steps a second whatever the rate of ticks, and even costs."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from livedream.dream.octaves import STEPS_S, OctaveStep, cost_px, octaves_when_new, tick_plan

#: The octaves of 320×180 and of 1280×720.
SIZES = [(180, 320), (90, 160), (48, 85), (48, 85)]
LARGE = [(720, 1280), (360, 640), (180, 320), (90, 160), (48, 85), (48, 85)]


def played(sizes, steps: float, times_s) -> list[tuple[OctaveStep, ...]]:
    """The steps of each tick, at these times."""
    position, ticks = 0.0, []
    for before_s, now_s in pairwise(times_s):
        plan = tick_plan(sizes, steps, now_s - before_s, position)
        position = plan.position
        ticks.append(plan.steps)
    return ticks


def at_rate(hz: float, seconds: float, sizes=SIZES, steps: float = 2):
    return played(sizes, steps, np.arange(round(seconds * hz) + 1) / hz)


@pytest.mark.parametrize("hz", [36, 37, 45, 60, 144, 240])
def test_the_steps_a_second_do_not_depend_on_the_rate_of_ticks(hz):
    counts = Counter(step.octave for tick in at_rate(hz, 10) for step in tick)
    assert counts == pytest.approx(dict.fromkeys(range(4), 10 * 2 / STEPS_S / 4), abs=2)


@pytest.mark.parametrize("hz", [5, 15, 25])
def test_a_slow_tick_takes_no_more_than_the_steps_asked_for(hz):
    ticks = at_rate(hz, 24)
    assert np.mean([len(tick) for tick in ticks]) == pytest.approx(2, abs=0.1)
    assert max(len(tick) for tick in ticks) <= 4


def test_uneven_ticks_take_the_same_steps_in_the_same_order():
    random = np.random.default_rng(0)
    times_s = np.concatenate([[0.0], np.cumsum(random.uniform(0.003, STEPS_S, 2000))])
    uneven = [step for tick in played(SIZES, 2, times_s) for step in tick]
    even = [step for tick in at_rate(60, times_s[-1] + 1) for step in tick]
    assert uneven == even[: len(uneven)]
    assert len(uneven) == pytest.approx(times_s[-1] * 2 / STEPS_S, abs=3)


@pytest.mark.parametrize("sizes", [SIZES[:1], SIZES[:2], SIZES[:3], SIZES, LARGE])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20])
def test_every_octave_comes_as_often_as_every_other(sizes, steps):
    ticks = at_rate(30, 10 * len(sizes), sizes, steps)
    counts = Counter(step.octave for tick in ticks for step in tick)
    assert counts == pytest.approx(dict.fromkeys(range(len(sizes)), 300 * steps), rel=0.02)


@pytest.mark.parametrize("sizes", [SIZES, LARGE])
@pytest.mark.parametrize("hz", [30, 60])
def test_ticks_are_more_even_than_with_steps_in_turn(sizes, hz):
    """No tick costs more than a step at full size, and the others share what is left."""
    pixels = [height * width for height, width in sizes]
    costs = [sum(pixels[step.octave] for step in tick) for tick in at_rate(hz, 10, sizes)]
    assert max(costs) <= 1.1 * pixels[0]
    in_turn = [sum(pixels[n % len(sizes)] for n in (2 * tick, 2 * tick + 1)) for tick in range(300)]
    assert np.std(costs) < 0.75 * np.std(in_turn)


def test_each_octave_has_turns_of_its_own_for_jitter():
    steps = [step for tick in at_rate(30, 4) for step in tick]
    for octave in range(4):
        turns = [step.turn for step in steps if step.octave == octave]
        assert turns == list(range(len(turns)))


def test_the_first_tick_takes_a_step_at_full_size():
    assert tick_plan(SIZES, 1, 1 / 30).steps[0].octave == 0


def test_no_time_and_no_steps_make_no_plan():
    for steps, elapsed_s in ((2, 0.0), (0, 1 / 30)):
        plan = tick_plan(SIZES, steps, elapsed_s, 0.7)
        assert (plan.steps, plan.position) == ((), 0.7)


def test_steps_stand_for_the_time_of_the_tick():
    assert tick_plan(SIZES, 2, 1 / 30).step_s == pytest.approx(1 / 60)
    assert tick_plan(SIZES, 2, 1 / 60).step_s == pytest.approx(STEPS_S / 2)
    assert tick_plan(SIZES, 4, 1 / 10).step_s == pytest.approx(1 / 40)


def test_a_new_dream_begins_at_the_smallest_octave_and_comes_to_larger_ones():
    sizes = [(180, 320), (129, 229), (92, 163), (66, 117)]
    found = [octaves_when_new(sizes, novelty)[0] for novelty in np.linspace(1, 0, 101)]
    stages = [taken for taken, before in zip(found, [None, *found], strict=False) if taken != before]
    assert stages == [range(3, 4), range(2, 4), range(1, 4), range(2), range(4)]


@pytest.mark.parametrize("novelty", [1.0, 0.8, 0.6, 0.0])
def test_the_steps_of_a_new_dream_cost_no_more_than_later(novelty):
    def cost(sizes, steps):
        ticks = at_rate(60, 10, sizes, steps)
        return sum(cost_px(sizes[step.octave]) for tick in ticks for step in tick)

    taken, faster = octaves_when_new(SIZES, novelty)
    assert faster >= 1
    assert cost([SIZES[n] for n in taken], 2 * faster) <= 1.02 * cost(SIZES, 2)


@pytest.mark.parametrize("novelty", [1.0, 0.5, 0.0])
def test_one_octave_is_the_same_when_it_is_new(novelty):
    assert octaves_when_new(SIZES[:1], novelty) == (range(1), 1.0)
