"""When a show is well, by its beats alone and on a clock that the test holds."""

from __future__ import annotations

import pytest

from livedream.watch.beats import CLOSED, ENDING, PICTURE, STARTING
from livedream.watch.judge import HEALTHY_S, PATIENCE_S, Judge

START_S = 100.0


class Watch:
    """A judge whose clock ticks."""

    def __init__(self) -> None:
        self.now = START_S
        self.judge = Judge()
        self.judge.started(self.now)

    def runs(self, seconds: float, beat: bytes | None = None) -> str:
        """What is complained about during so many seconds with a beat every quarter, or none."""
        for _ in range(round(seconds * 4)):
            self.now += 0.25
            if beat is not None:
                self.judge.heard(beat, self.now)
            complaint = self.judge.complaint(self.now)
            if complaint:
                return complaint
        return ""


@pytest.fixture
def watch():
    return Watch()


def test_a_show_may_take_long_to_start_but_not_for_ever(watch):
    assert watch.runs(PATIENCE_S[STARTING], STARTING) == ""
    assert watch.runs(1.0, STARTING) == "made no picture within 90 s"


@pytest.mark.parametrize("beat", [PICTURE, CLOSED])
def test_five_seconds_of_silence_are_a_hang(watch, beat):
    assert watch.runs(3600, beat) == ""
    assert watch.runs(5.0) == ""
    assert watch.runs(0.25) == "made no new picture for 5 s"


def test_a_command_is_proved_by_the_first_picture_of_any_show(watch):
    watch.runs(10.0, STARTING)
    assert not watch.judge.proved
    watch.runs(1.0, PICTURE)
    watch.judge.failed(watch.now)
    watch.judge.started(watch.now)
    assert watch.judge.proved


def test_a_recording_may_take_a_minute_to_finish(watch):
    watch.runs(60, PICTURE)
    watch.judge.heard(ENDING, watch.now)
    assert watch.runs(60.0) == ""
    assert watch.runs(0.25) == "did not end within 60 s"


def test_a_show_that_waits_for_frames_again_has_no_new_pictures(watch):
    watch.runs(60, PICTURE)
    assert watch.runs(6.0, STARTING) == "made no new picture for 5 s"


def test_a_watcher_that_was_stopped_itself_gives_the_show_time_to_speak(watch):
    watch.runs(60, PICTURE)
    watch.now += 3600  # asleep, as the show was
    assert watch.runs(4.0) == ""
    assert watch.runs(60, PICTURE) == ""


def test_failures_in_a_row_are_answered_later_and_a_healthy_show_begins_anew(watch):
    delays = []
    for _ in range(9):
        watch.runs(HEALTHY_S / 2, PICTURE)
        delays.append(watch.judge.failed(watch.now))
        watch.judge.started(watch.now)
    assert delays == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    watch.runs(HEALTHY_S + 1, PICTURE)
    assert watch.judge.failed(watch.now) == 0
    watch.judge.started(watch.now)
    watch.runs(HEALTHY_S * 2, STARTING)  # which is not healthy
    assert watch.judge.failed(watch.now) == 1
