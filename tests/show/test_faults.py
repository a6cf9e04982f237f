"""Faults are counted by kind, with the time of the last by the wall's clock and by the show's own."""

from __future__ import annotations

from livedream.show.faults import Fault, Faults


def test_faults_of_a_kind_are_counted_and_the_last_time_is_kept():
    wall = iter([1_800_000_000.0, 1_800_000_060.0, 1_799_996_400.0])  # set back by an hour
    faults = Faults(lambda: next(wall))
    faults.add("dream died", 100.0)
    faults.add("camera lost", 160.0, count=3)
    faults.add("dream died", 170.0)
    assert faults.as_list() == [
        Fault("dream died", 2, 1_799_996_400.0, 170.0),
        Fault("camera lost", 3, 1_800_000_060.0, 160.0),
    ]
    assert faults.count == 5


def test_nothing_has_failed_yet():
    assert Faults().as_list() == []
    assert Faults().count == 0
