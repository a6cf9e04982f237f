"""What the watcher tells: one restart is nothing, many are, and so is a show that never comes."""

from __future__ import annotations

import pytest

from livedream.watch import calling
from livedream.watch.calling import Calling


@pytest.fixture
def told(monkeypatch):
    """What hooks are sent."""
    sent = []

    class FakeHook:
        def __init__(self, target):
            pass

        def send(self, content):
            sent.append((content["event"], content["kind"], content["message"]))

        def close(self):
            pass

    monkeypatch.setattr(calling, "Hook", FakeHook)
    return sent


def test_a_show_that_fails_three_times_in_five_minutes_is_told_and_called_off(told):
    watch = Calling(["x"], 0.0)
    for now in range(800):
        watch.well(now)
        if now in (10, 100, 110):
            watch.failed("ended with exit code -9", now)
        watch.look(now)
    assert [event for event, *_ in told] == ["degraded", "recovered"]
    assert told[0][1:] == ("restarts", "restarted 3 times in 5 minutes; the show ended with exit code -9")


def test_two_restarts_are_for_the_report_only(told):
    watch = Calling(["x"], 0.0)
    for now in range(800):
        watch.well(now)
        if now in (10, 100):
            watch.failed("ended with exit code -9", now)
        watch.look(now)
    assert told == []


def test_a_show_that_never_comes_is_told(told):
    watch = Calling(["x"], 0.0)
    for now in range(100):
        watch.look(now)
    assert told == [("degraded", "show", "no picture for 46 s")]
    for now in range(100, 200):
        watch.well(now)
        watch.look(now)
    assert [event for event, *_ in told] == ["degraded", "recovered"]
