"""When a show begins and ends."""

from __future__ import annotations

from livedream.show.schedule import Schedule, StopFlag


def test_a_show_begins_once_with_its_first_dream():
    schedule = Schedule(100.0)
    assert not schedule.begins(101.0, dreamt=False)
    assert schedule.begins(102.0, dreamt=True)
    assert not schedule.begins(103.0, dreamt=True)
    assert schedule.begun_s == 102.0


def test_a_show_whose_dream_never_comes_begins_after_a_minute():
    schedule = Schedule(100.0)
    assert not schedule.begins(160.0, dreamt=False)
    assert schedule.begins(160.1, dreamt=False)


def test_frames_and_duration_count_from_the_beginning():
    assert not Schedule(0.0, frames=3).ended(1e9, 3)
    by_frames = Schedule(0.0, frames=3, begun_s=5.0)
    assert [by_frames.ended(6.0, n) for n in (2, 3)] == [False, True]
    by_time = Schedule(0.0, duration_s=10.0, begun_s=5.0)
    assert [by_time.ended(now, 0) for now in (14.9, 15.0)] == [False, True]
    assert not Schedule(0.0, begun_s=5.0).ended(1e9, 10**9)


def test_a_signal_sets_the_stop_flag():
    stop = StopFlag()
    assert not stop.is_set
    stop(15, None)
    assert stop.is_set
