"""Open and shut, by a clock on the wall that the test holds: black and idle in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from livedream.hours import parse_hours
from livedream.show.doors import Doors
from livedream.show.options import MirrorOptions
from livedream.show.schedule import StopFlag
from livedream.sinks.window import Closed, Exposed, KeyPressed
from livedream.watch.beats import CLOSED
from tests.show.rig import FakeFront, Rig


def utc_hours(text: str):
    """Opening hours of UTC, whose name needs no list of zones: those of a machine that is in it."""
    hours = parse_hours(text)
    return type(hours)(hours.spans, UTC)


class Night:
    """Doors, what is behind them, and two clocks."""

    def __init__(self, hours: str, begins: str) -> None:
        self.now, self.jump = 100.0, timedelta(0)
        self.began = datetime.fromisoformat(begins).replace(tzinfo=UTC)
        self.stop, self.front, self.beats = StopFlag(), FakeFront(), []
        self.doors = Doors(utc_hours(hours), self.stop, lambda: self.now, self.wall)
        self.locked = False
        self.events = {}  # what happens in the window, after how many seconds

    def wall(self) -> datetime:
        return self.began + self.jump + timedelta(seconds=self.now - 100.0)

    def send(self, beat: bytes, now: float) -> None:
        self.beats.append((beat, now))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for after in [after for after in self.events if self.now >= 100 + after]:
            self.front.events.append(self.events.pop(after))

    def passes(self) -> float:
        """Wait behind closed doors; for how many seconds."""
        self.doors.wait(self.front, self, self.sleep, locked=self.locked)
        return self.now - 100.0


def test_a_closed_mirror_is_black_idle_and_alive_until_it_opens():
    night = Night("10:00-18:00", "2026-11-26 09:50")
    night.events = {30: Exposed()}
    assert night.passes() == pytest.approx(600, abs=2)
    assert not night.stop.is_set
    assert not any(picture.any() for picture in night.front.pictures)
    assert len(night.front.pictures) < 130  # 600 s
    assert {beat for beat, _ in night.beats} == {CLOSED}
    assert max(b - a for (_, a), (_, b) in zip(night.beats, night.beats[1:], strict=False)) < 1.0


@pytest.mark.parametrize("event", [Closed(), KeyPressed("escape")])
def test_a_closed_mirror_can_be_quit(event):
    night = Night("10:00-18:00", "2026-11-26 20:00")
    night.events = {30: KeyPressed("a"), 60: event}
    assert night.passes() == pytest.approx(60, abs=1)
    assert night.stop.is_set
    assert night.doors.is_set


def test_a_closed_mirror_with_locked_keys_cannot_be_quit_by_one():
    night = Night("10:00-18:00", "2026-11-26 20:00")
    night.events = {30: KeyPressed("escape"), 60: Closed()}
    night.locked = True
    assert night.passes() == pytest.approx(60, abs=1)


def test_a_show_ends_at_closing_time_and_not_because_of_a_picture(tmp_path):
    night = Night("10:00-18:00", "2026-11-26 17:59:50")
    show = Rig(tmp_path, MirrorOptions())
    show.mirror._stop = night.doors
    for second in range(9):
        night.now = 100.0 + second
        assert not night.doors.is_set
    night.now = 111.5
    assert night.doors.is_set
    assert not night.stop.is_set
    show.mirror.run()  # ends at once


def looks(night: Night, seconds: int) -> list[bool]:
    """Whether it is open, each second of so many."""
    found = []
    for _ in range(seconds):
        night.now += 1.0
        found.append(night.doors.open)
    return found


@pytest.mark.parametrize(("begins", "was"), [("2026-11-26 17:30", True), ("2026-11-26 09:30", False)])
def test_a_wall_clock_that_jumps_and_is_set_back_opens_and_closes_nothing(begins, was):
    night = Night("10:00-18:00", begins)
    assert night.doors.open is was
    for hours in (1, 0, -1, 0, 14, 0):
        night.jump = timedelta(hours=hours)
        assert set(looks(night, 50)) == {was}


def test_a_wall_clock_that_was_set_counts_after_a_minute():
    night = Night("10:00-18:00", "2026-11-26 17:30")
    assert night.doors.open
    night.jump = timedelta(hours=1)
    found = looks(night, 70)
    assert (found[55], found[65]) == (True, False)
    night.jump = timedelta(0)
    assert [looks(night, 70)[n] for n in (55, 65)] == [False, True]


def test_without_hours_it_is_always_open():
    assert Doors(None, StopFlag()).open
