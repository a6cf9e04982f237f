"""Attract mode begins after a while without anybody, and ends at once."""

from __future__ import annotations

from livedream.performance.attract import Attract


def test_it_begins_when_nobody_came_for_long_enough_and_ends_when_somebody_does():
    attract = Attract(100.0)
    assert attract.step(119.9, False, 20.0) is None
    assert attract.due_s(119.0, 20.0) == 1.0
    assert attract.step(120.0, False, 20.0) == "begin"
    assert attract.step(121.0, False, 20.0) is None
    assert attract.active
    assert attract.step(130.0, True, 20.0) == "end"
    assert attract.step(130.1, True, 20.0) is None
    assert (attract.active, attract.times) == (False, 1)


def test_somebody_who_passes_puts_it_off():
    attract = Attract(0.0)
    attract.step(15.0, True, 20.0)
    assert attract.step(34.0, False, 20.0) is None
    assert attract.step(35.0, False, 20.0) == "begin"


def test_at_zero_it_never_begins_and_a_running_one_ends():
    attract = Attract(0.0)
    assert attract.step(1e6, False, 0.0) is None
    attract = Attract(0.0)
    attract.step(20.0, False, 20.0)
    assert attract.step(21.0, False, 0.0) == "end"


def test_a_key_is_somebody():
    attract = Attract(0.0)
    attract.step(20.0, False, 20.0)
    assert attract.wake(25.0) == "end"
    assert attract.step(44.0, False, 20.0) is None


def test_a_mirror_that_goes_blind_begins_at_once_and_ends_when_it_sees():
    attract = Attract(0.0)
    assert attract.step(5.0, True, 20.0) is None
    assert attract.step(6.0, True, 20.0, blind=True) == "begin"
    assert attract.step(7.0, True, 20.0, blind=True) is None
    assert attract.step(8.0, True, 20.0) == "end"
    assert attract.step(27.9, False, 20.0) is None
    assert attract.step(28.0, False, 20.0) == "begin"
    assert attract.times == 2


def test_a_key_ends_it_although_the_mirror_is_still_blind():
    attract = Attract(0.0)
    attract.step(6.0, True, 20.0, blind=True)
    assert attract.wake(7.0) == "end"
    assert attract.step(60.0, True, 20.0, blind=True) is None
    assert attract.step(61.0, True, 20.0) is None


def test_at_zero_a_blind_mirror_shows_its_scene():
    attract = Attract(0.0)
    assert attract.step(6.0, True, 0.0, blind=True) is None
    assert not attract.active
