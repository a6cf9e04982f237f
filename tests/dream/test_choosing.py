"""Whether the room or this machine dreams, on a clock of the test's."""

from __future__ import annotations

from itertools import pairwise

import pytest

from livedream.dream.choosing import CROSSFADE_S, LONGEST_TRIAL_S, SLOW_S, TRIAL_S, WEAK_S, Choosing
from tests.clocks import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def choosing():
    return Choosing()


def answer(choosing, clock, seconds, took_s=0.03, as_strong=True):
    """A room that answers thirty times a second; where the dream was made, each time it changed."""
    found = [choosing.where]
    for _ in range(round(seconds * 30)):
        clock.now += 1 / 30
        choosing.answered(took_s, clock.now)
        if choosing.step(clock.now, as_strong=as_strong) != found[-1]:
            found.append(choosing.where)
    return found


def be_silent(choosing, clock, seconds):
    """A room that does not answer; after how many seconds the dream was here."""
    for n in range(round(seconds * 30)):
        if choosing.step(clock.now) == "here":
            return n / 30
        clock.now += 1 / 30
    return None


def test_a_room_that_is_well_dreams_after_a_second_and_a_crossfade(choosing, clock):
    assert answer(choosing, clock, TRIAL_S - 0.1) == ["here"]
    assert choosing.trying
    assert answer(choosing, clock, 0.2) == ["here", "fading"]
    assert answer(choosing, clock, CROSSFADE_S + 0.1) == ["fading", "there"]
    assert choosing.share(clock.now) == 1


def test_its_share_grows_from_nothing_to_all(choosing, clock):
    answer(choosing, clock, TRIAL_S)
    shares = []
    while choosing.where != "there":
        answer(choosing, clock, 1 / 30)
        shares.append(choosing.share(clock.now))
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert max(b - a for a, b in pairwise(shares)) < 0.1


def test_a_room_that_falls_silent_is_left_within_a_second(choosing, clock):
    answer(choosing, clock, 5)
    assert be_silent(choosing, clock, 2) == pytest.approx(SLOW_S, abs=0.1)
    assert choosing.why == "the room does not answer"
    assert not choosing.trying


def test_a_room_that_is_asked_once_a_second_need_not_answer_more_often(choosing, clock):
    answer(choosing, clock, 5)
    clock.now += 1.5
    assert choosing.step(clock.now, every_s=1.0) == "there"
    clock.now += 0.5
    assert choosing.step(clock.now, every_s=1.0) == "here"


def test_a_slow_room_is_left_at_once(choosing, clock):
    answer(choosing, clock, 5)
    assert answer(choosing, clock, 0.1, took_s=0.9) == ["there", "here"]
    assert choosing.why == "the room's answers take 0.9 s"


def test_a_room_that_is_lost_while_it_fades_in_is_left(choosing, clock):
    answer(choosing, clock, TRIAL_S + 0.2)
    assert choosing.where == "fading"
    assert choosing.lost("the connection was lost", clock.now)
    assert choosing.where == "here"


def test_a_room_that_fails_soon_again_has_to_be_well_for_longer_each_time(choosing, clock):
    trials = []
    for _ in range(8):
        began = clock.now
        while choosing.where == "here":
            answer(choosing, clock, 1 / 30)
        trials.append(clock.now - began)
        answer(choosing, clock, 3)
        choosing.lost("gone", clock.now)
    assert trials[:4] == pytest.approx([1, 2, 4, 8], abs=0.1)
    assert trials[-1] == pytest.approx(LONGEST_TRIAL_S, abs=0.1)
    answer(choosing, clock, LONGEST_TRIAL_S + 60)
    choosing.lost("gone", clock.now)
    assert answer(choosing, clock, TRIAL_S + 0.1)[-1] == "fading"


def test_a_weak_dream_is_waited_for_but_not_for_ever(choosing, clock):
    assert answer(choosing, clock, WEAK_S - 0.1, as_strong=False) == ["here"]
    assert answer(choosing, clock, 0.2, as_strong=False) == ["here", "fading"]


def test_what_is_not_wrong_is_no_reason(choosing, clock):
    assert not choosing.lost("", clock.now)
    assert choosing.why == ""
