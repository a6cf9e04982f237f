"""The audio process: it listens on when the input goes, comes back or fails, and ends with the show."""

from __future__ import annotations

import time

import numpy as np
import pytest

from livedream.audio.listening import Listening
from livedream.audio.process import listen
from livedream.curves import decay
from livedream.errors import LivedreamError
from livedream.ipc.mailbox import Sender
from livedream.ipc.protocol import AudioStatus
from tests.audio.test_analysis import RATE, drums
from tests.audio.test_inputs import sound_file


class Tape:
    """Plays blocks, then gives nothing."""

    name, rate_hz = "tape", RATE

    def __init__(self, sound: np.ndarray) -> None:
        self.blocks = [sound[n : n + 480] for n in range(0, len(sound), 480)]
        self.closed = False

    def read(self, timeout_s):
        return self.blocks.pop(0) if self.blocks else None

    def close(self):
        self.closed = True


class Reports:
    def __init__(self) -> None:
        self.sent: list[AudioStatus] = []

    def send(self, message):
        self.sent.append(message)


def test_an_input_that_is_lost_is_tried_again_and_onsets_go_on_counting():
    tapes = [Tape(drums(4.0)), Tape(drums(4.0))]
    opened, waits, reports = [], [], Reports()

    def opening(device):
        if len(opened) == 1:
            opened.append(None)
            raise LivedreamError("no sound input 'tape'; found: none")
        opened.append(tapes.pop(0))
        return opened[-1]

    def over():
        return len(opened) == 3 and not opened[-1].blocks

    listen("tape", reports, opening, waits.append, over)
    phases = [status.phase for status in reports.sent]
    assert phases[0] == phases[-1] == "listening"
    errors = list(dict.fromkeys(status.error for status in reports.sent))
    assert errors == ["", "sound input tape is lost", "no sound input 'tape'; found: none"]
    assert sum(waits) == 4.0
    assert opened[0].closed
    onsets = [status.onsets for status in reports.sent]
    assert onsets == sorted(onsets)
    assert onsets[-1] > 1.8 * max(s.onsets for s in reports.sent[:400])
    assert max(s.bass for s in reports.sent) > 0.9
    assert [s.progress for s in reports.sent] == list(range(1, len(reports.sent) + 1))


@pytest.fixture
def ears(monkeypatch):
    """Listening without a process: the test says what it hears, and when."""
    monkeypatch.setattr("livedream.ipc.supervised.Supervised.start", lambda self, now: None)
    clock = [50.0]
    with Listening("tape", 20, lambda: clock[0]) as listening:
        yield listening, Sender(listening._slot), clock


def test_bands_are_heard_until_the_process_falls_silent(ears):
    listening, sender, clock = ears
    assert listening.hear("bass") == listening.hear("onset") == 0.0
    sender.send(AudioStatus(phase="listening", progress=1, bass=0.7))
    assert listening.hear("bass") == 0.7
    clock[0] += 0.2
    assert listening.hear("bass") == 0.7
    clock[0] += 0.2
    assert listening.hear("bass") == 0.0


def test_an_onset_is_a_pulse(ears):
    listening, sender, clock = ears
    sender.send(AudioStatus(phase="listening", progress=1, onsets=1))
    assert listening.hear("onset") == 1.0
    clock[0] += 0.06
    assert listening.hear("onset") == pytest.approx(decay(1.0, 1.0))
    clock[0] += 1.0
    sender.send(AudioStatus(phase="listening", progress=2, onsets=0))  # a new process counts anew
    assert listening.hear("onset") < 0.001


def test_what_is_wrong_is_said_once(ears):
    listening, sender, _ = ears
    sender.send(AudioStatus(phase="waiting", progress=1, error="sound input tape is lost"))
    assert listening.check(50.0) == "sound input tape is lost"
    sender.send(AudioStatus(phase="waiting", progress=2, error="sound input tape is lost"))
    assert listening.check(50.5) == ""
    sender.send(AudioStatus(phase="listening", progress=3))
    assert listening.check(51.0) == ""
    sender.send(AudioStatus(phase="waiting", progress=4, error="sound input tape is lost"))
    assert listening.check(51.5) == "sound input tape is lost"


def test_a_real_process_hears_a_file_and_ends(tmp_path):
    with Listening(str(sound_file(tmp_path / "tone.wav", 2.0)), 20) as listening:
        deadline = time.monotonic() + 60
        while listening.hear("mid") < 0.9 and time.monotonic() < deadline:
            listening.check(time.monotonic())
            time.sleep(0.01)
        assert listening.hear("mid") >= 0.9
        assert listening.status.device == "tone.wav"
        assert listening.pid is not None
    assert listening.pid is None


def test_an_input_that_is_not_there_is_logged_once(caplog):
    waits = []

    def opening(device):
        raise LivedreamError(f"no sound input {device!r}; found: none")

    listen("tape", Reports(), opening, waits.append, lambda: len(waits) > 20)
    assert [record.message for record in caplog.records] == ["no sound input 'tape'; found: none"]
