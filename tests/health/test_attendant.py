"""The attendant on a clock of the test's: who is told of what, and what is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from livedream.health import attendant as attendants
from livedream.health.attendant import Attendant
from livedream.health.vitals import Facts, Trouble
from livedream.hours import parse_hours
from livedream.watch.beats import CLOSED, ENDING, LAST_PICTURE_VARIABLE, PICTURE, WATCHER_VARIABLE

MORNING = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


class Scene:
    """An attendant whose clocks and hooks are the test's."""

    def __init__(self, monkeypatch, path=None, hours=None):
        self.now, self.sent = 1000.0, []
        scene = self

        class FakeHook:
            sent = failed = 0

            def __init__(self, target):
                pass

            def send(self, content):
                scene.sent.append((content["event"], content["kind"], content["message"]))

            def close(self):
                pass

        monkeypatch.setattr(attendants, "Hook", FakeHook)
        self.attendant = Attendant(
            ["http://127.0.0.1:9/"],
            path,
            None if hours is None else parse_hours(hours),
            clock=lambda: self.now,
            wall=lambda: MORNING + timedelta(seconds=self.now - 1000),
        )

    def go(self, seconds, beat=PICTURE, troubles=(), each=1.0):
        vitals = self.attendant.vitals
        for _ in range(round(seconds / each)):
            self.now += each
            if beat is not None:
                vitals.heard(beat, self.now)
                vitals.framed(self.now)
                vitals.ticked(round(self.now), self.now)
            vitals.told("show", troubles)
            self.attendant.look()


@pytest.fixture
def scene(monkeypatch):
    return Scene(monkeypatch)


def test_a_show_that_is_well_tells_nobody_anything(scene):
    scene.go(3, beat=None)
    scene.go(600)
    assert scene.sent == []


def test_a_start_may_take_its_time_but_not_for_ever(scene):
    scene.go(60, beat=None)
    assert scene.sent == []
    scene.go(20, beat=None)
    ((event, kind, text),) = scene.sent
    assert (event, kind) == ("degraded", "picture")
    assert "no picture yet" in text


def test_a_lost_camera_is_told_and_called_off(scene):
    scene.go(30)
    scene.go(30, troubles=[Trouble("source", "camera 0 lost; showing clouds")])
    scene.go(30)
    assert scene.sent == [
        ("degraded", "source", "camera 0 lost; showing clouds"),
        ("recovered", "source", "source is well again, after 30 s"),
    ]


def test_a_loop_that_hangs_is_told_though_it_says_nothing(scene):
    scene.go(30)
    scene.go(30, beat=None)
    assert [(event, kind) for event, kind, _ in scene.sent] == [
        ("degraded", "picture"),
        ("degraded", "frames"),
        ("degraded", "dream"),
    ]


def test_closing_time_brings_the_report_and_no_alarm(monkeypatch):
    scene = Scene(monkeypatch, hours="10:00-18:00 @UTC")
    scene.attendant.vitals.facts = Facts(pictures=1000, arrivals=12)
    scene.go(8 * 3600 - 60, each=5.0)
    assert scene.sent == []
    scene.go(120, beat=CLOSED)
    ((event, kind, text),) = scene.sent
    assert (event, kind) == ("report", "day")
    assert "open 8.0 h, 1,000 pictures, 12 visitors, no restarts" in text
    scene.go(10 * 3600, beat=CLOSED, each=5.0)
    assert len(scene.sent) == 1


def test_closing_time_calls_off_nothing_that_nobody_can_see_then(monkeypatch):
    scene = Scene(monkeypatch, hours="10:00-18:00 @UTC")
    lost = [Trouble("source", "camera 0 lost; showing clouds")]
    scene.go(8 * 3600 - 60)
    scene.go(50, troubles=lost)
    assert [event for event, *_ in scene.sent] == ["degraded"]
    scene.go(16 * 3600, beat=CLOSED, each=5.0)
    assert [event for event, *_ in scene.sent] == ["degraded", "report"]
    scene.go(30, troubles=lost)  # still, in the morning
    assert [event for event, *_ in scene.sent] == ["degraded", "report", "reminder"]
    scene.go(30)
    assert scene.sent[-1][:2] == ("recovered", "source")


def test_an_end_is_no_alarm_but_somebody_who_ends_it_is_told(scene):
    scene.go(30)
    scene.go(30, beat=ENDING)
    assert scene.sent == []
    scene.attendant.quit()
    assert scene.sent == [("degraded", "ended", "somebody ended the mirror")]


def test_the_next_show_calls_off_that_the_last_one_was_ended(monkeypatch, tmp_path):
    first = Scene(monkeypatch, tmp_path / "x.day.json")
    first.attendant.quit()
    first.go(3)  # it goes on for a moment
    first.attendant.close()
    second = Scene(monkeypatch, tmp_path / "x.day.json")
    second.go(30)
    assert [(event, kind) for event, kind, _ in second.sent] == [("recovered", "ended")]
    assert second.attendant.days.today.restarts == 0


def test_the_next_show_calls_off_what_the_last_one_told(monkeypatch, tmp_path):
    path = tmp_path / "x.day.json"
    first = Scene(monkeypatch, path)
    first.go(30, troubles=[Trouble("source", "camera 0 lost")])
    assert len(first.sent) == 1  # and then it is killed
    monkeypatch.setenv(LAST_PICTURE_VARIABLE, str(MORNING.timestamp() - 3))
    second = Scene(monkeypatch, path)
    second.attendant.vitals.facts = Facts(pictures=1)
    second.go(30)
    assert [event for event, *_ in second.sent] == ["recovered"]
    today = second.attendant.days.today
    assert today.restarts == 1
    assert 3 <= today.longest_gap_s <= 5


@pytest.mark.parametrize("has_watcher", [False, True])
def test_beside_systemd_the_show_itself_tells_of_many_restarts(monkeypatch, tmp_path, has_watcher):
    if has_watcher:
        monkeypatch.setenv(WATCHER_VARIABLE, "7")  # whose own telling it is
    path = tmp_path / "x.day.json"
    sent = []
    for _ in range(4):  # each is killed
        show = Scene(monkeypatch, path)
        show.go(3)
        sent += show.sent
    assert [(event, kind) for event, kind, _ in sent] == ([] if has_watcher else [("degraded", "restarts")])
    show.go(400)
    assert len(show.sent) == (0 if has_watcher else 2)


def test_a_mirror_that_starts_while_it_is_closed_has_no_day_to_report(monkeypatch):
    scene = Scene(monkeypatch, hours="6:00-9:00 @UTC")
    scene.go(3, beat=None)
    scene.go(60, beat=CLOSED)
    assert scene.sent == []
    assert scene.attendant.days.today.open_s == 0


def test_a_show_that_is_killed_before_the_first_look_is_counted_by_the_next(tmp_path):
    path = tmp_path / "x.day.json"
    attendant = Attendant((), path)
    attendant._ended.set()  # it looks no more, as if it had been killed
    attendant._run()
    assert Attendant((), path).days.today.restarts == 1


def test_threads_end(tmp_path):
    attendant = Attendant((), tmp_path / "x.day.json")
    attendant.start()
    attendant.close()
    attendant.close()
    assert not attendant._thread.is_alive()
