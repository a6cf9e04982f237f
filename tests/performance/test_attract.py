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
