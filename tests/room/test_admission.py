"""A full room says so before anybody is slowed."""

from __future__ import annotations

import pytest

from livedream.room.admission import LEAST_HZ, Load, least_s, objection


def test_a_room_takes_as_many_as_it_may():
    assert not objection([Load()] * 3, 0.001, most=4, alone=True)
    assert objection([Load()] * 4, 0.001, most=4, alone=True) == "4 of 4 mirrors"


def test_there_is_room_while_all_get_their_least_rate():
    tick_s = 1 / LEAST_HZ / 5.5
    assert not objection([Load()] * 4, tick_s, most=99, alone=True)
    found = objection([Load()] * 5, tick_s, most=99, alone=True)
    assert found == "5 mirrors; with one more each would get only 11 ticks/s"
    assert not objection([Load()] * 5, tick_s, most=99, alone=False)  # a graphics card


def test_what_sessions_really_cost_counts():
    costly = Load(least_s=1 / LEAST_HZ / 2)
    assert not objection([costly], 0.001, most=99, alone=True)
    assert "would get only" in objection([costly] * 2, 0.001, most=99, alone=True)


def test_what_was_measured_at_the_start_is_forgotten_for_what_is():
    tick_s = 1 / LEAST_HZ / 2.5  # on a machine that was busy then
    assert objection([Load()] * 2, tick_s, most=99, alone=True)
    assert not objection([Load(least_s=tick_s / 4), Load()], tick_s, most=99, alone=True)


def test_nobody_is_let_in_while_somebody_is_slow():
    assert "only 7 ticks/s" in objection([Load(rate_hz=30.0), Load(rate_hz=7.0)], 0, most=9, alone=False)
    assert not objection([Load(rate_hz=30.0), Load()], 0.0, most=9, alone=False)


def test_the_cost_at_the_smallest_size_follows_from_any():
    assert least_s(0.01, 128, 1, 30.0) == pytest.approx(0.01)
    assert least_s(0.04, 256, 1, 30.0) == pytest.approx(0.01)
    assert least_s(0.01, 128, 2, 60.0) == pytest.approx(0.01)  # two steps in a thirtieth of a second
    assert least_s(0.01, 128, 2, 15.0) == pytest.approx(0.01 * 1.7 / 2.7)
