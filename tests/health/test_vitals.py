"""Whether the mirror is well, judged when somebody asks, on a clock of the test's."""

from __future__ import annotations

import pytest

from livedream.health.vitals import Trouble, Vitals
from livedream.watch.beats import CLOSED, ENDING, PICTURE, STARTING
from tests.clocks import Clock


@pytest.fixture
def clock():
    return Clock(100.0)


@pytest.fixture
def vitals(clock):
    return Vitals(clock)


def show(vitals, clock, seconds=1.0):
    """The loop shows pictures of new frames, with a dream that ticks."""
    for n in range(round(seconds * 10)):
        clock.now += 0.1
        vitals.framed(clock.now)
        vitals.ticked(n + 1, clock.now)
        vitals.heard(PICTURE, clock.now)


def test_a_mirror_is_not_well_before_its_first_picture(vitals, clock):
    clock.now += 3
    condition = vitals.condition()
    assert (condition.ok, condition.state) == (False, "starting")
    assert condition.why == ("no picture yet, 3 s after the start",)
    assert condition.picture_age_s is condition.frame_age_s is condition.tick_age_s is None


def test_a_mirror_with_pictures_is_well(vitals, clock):
    show(vitals, clock)
    condition = vitals.condition()
    assert (condition.ok, condition.state, condition.why, condition.degraded) == (True, "showing", (), ())
    assert condition.picture_age_s == condition.frame_age_s == condition.tick_age_s == 0.0


def test_a_loop_that_hangs_is_noticed_although_it_says_nothing(vitals, clock):
    show(vitals, clock)
    clock.now += 4.9
    assert vitals.condition().ok
    clock.now += 2.1
    condition = vitals.condition()
    assert not condition.ok
    assert condition.why == ("no new picture for 7 s: the loop hangs",)
    assert condition.picture_age_s == condition.tick_age_s == 7.0


def test_pictures_that_are_no_longer_valid_are_not_enough(vitals, clock):
    show(vitals, clock)
    for _ in range(130):
        clock.now += 1
        vitals.heard(STARTING, clock.now)  # what the pulse says once frames have been gone for too long
    condition = vitals.condition()
    assert not condition.ok
    assert condition.why == ("no new frame for 130 s",)


def test_what_is_old_is_named_though_the_picture_goes_on(vitals, clock):
    show(vitals, clock)
    for _ in range(12):
        clock.now += 1
        vitals.heard(PICTURE, clock.now)
    condition = vitals.condition()
    assert condition.ok
    assert condition.degraded == (
        Trouble("frames", "no new frame for 12 s"),
        Trouble("dream", "no new dream for 12 s"),
    )


def test_what_others_report_comes_first_and_once_for_each_kind(vitals, clock):
    show(vitals, clock)
    vitals.told("machine", [Trouble("heat", "90 °C")])
    vitals.told("show", [Trouble("dream", "out of memory")])
    clock.now += 4
    assert {t.kind: t.text for t in vitals.condition().degraded} == {
        "heat": "90 °C",
        "dream": "out of memory",
    }
    vitals.told("machine", [])
    assert [t.kind for t in vitals.condition().degraded] == ["dream"]


def test_a_closed_mirror_is_well_as_long_as_it_says_so(vitals, clock):
    show(vitals, clock)
    vitals.heard(CLOSED, clock.now)
    clock.now += 4
    assert vitals.condition().ok
    assert vitals.condition().state == "closed"
    assert vitals.condition().degraded == ()
    clock.now += 4
    assert not vitals.condition().ok


def test_the_night_is_no_gap_but_a_stall_is(vitals, clock):
    show(vitals, clock)
    clock.now += 3600
    vitals.heard(CLOSED, clock.now)
    clock.now += 3600
    show(vitals, clock)
    assert vitals.longest_gap_s == pytest.approx(0.1)
    clock.now += 2
    show(vitals, clock)
    assert vitals.longest_gap_s == pytest.approx(2.1)


def test_a_mirror_that_ends_is_not_well(vitals, clock):
    show(vitals, clock)
    vitals.heard(ENDING, clock.now)
    assert vitals.condition().state == "ending"
    assert not vitals.condition().ok


def test_a_dream_that_never_comes_is_named_after_a_while(vitals, clock):
    for _ in range(70):
        clock.now += 1
        vitals.framed(clock.now)
        vitals.heard(PICTURE, clock.now)
        assert bool(vitals.condition().degraded) == (clock.now > 160)
