"""When the camera and the dream process count as hung, by the show's own clock and what they reported."""

from __future__ import annotations

import time
from functools import partial

import pytest

from livedream.errors import DeviceLostError
from livedream.ipc.mailbox import MESSAGE_BYTES, Sender, StatusBoard
from livedream.ipc.protocol import DreamStatus, SourceStatus
from livedream.ipc.slots import Slot
from livedream.ipc.supervised import Supervised
from livedream.settings import Settings
from livedream.show import processes
from livedream.show.options import MirrorOptions
from livedream.show.processes import Processes, camera_stalled, dream_stalled

START_S = 100.0


def sleep() -> None:
    time.sleep(600)


@pytest.fixture
def child():
    """Starts a child at ``START_S`` that says what the test says for it."""
    with Slot.create(MESSAGE_BYTES) as slot:
        children = []

        def start(stalled, status, last_words=None):
            board, sender = StatusBoard(slot, status), Sender(slot)
            if last_words is not None:
                sender.send(last_words)  # by the child before this one
                board.update(START_S - 1)
            supervised = Supervised("child", sleep, (), partial(stalled, board), starting=board.restarted)
            children.append(supervised)
            supervised.start(START_S)
            return supervised, sender

        yield start
        for supervised in children:
            supervised.close()


@pytest.mark.parametrize(
    ("stalled", "status", "last_words"),
    [
        (camera_stalled, SourceStatus(), None),
        (camera_stalled, SourceStatus(), SourceStatus(phase="running", stalled=True)),
        (dream_stalled, DreamStatus(), None),
        (dream_stalled, DreamStatus(), DreamStatus(phase="dreaming", progress=9)),
    ],
    ids=["camera", "camera again", "dream", "dream again"],
)
def test_a_child_has_a_minute_to_start(child, stalled, status, last_words):
    supervised, _ = child(stalled, status, last_words)
    assert supervised.check(START_S + 11.0) == ""
    assert supervised.check(START_S + 60.0) == ""
    assert "did not start within 60 s" in supervised.check(START_S + 60.1)


def test_a_camera_process_that_has_spoken_must_go_on_speaking(child):
    supervised, sender = child(camera_stalled, SourceStatus())
    for n in range(5):
        sender.send(SourceStatus(phase="running", progress=n))
        assert supervised.check(START_S + 4.0 * n) == ""
    assert supervised.check(START_S + 16.0 + 4.2) == ""
    assert "stopped responding" in supervised.check(START_S + 16.0 + 4.5)


def test_a_camera_process_that_says_the_same_again_makes_no_progress(child):
    supervised, sender = child(camera_stalled, SourceStatus())
    for n in range(3):
        sender.send(SourceStatus(phase="running", progress=1, message=f"still here {n}"))
        assert supervised.check(START_S + 2.0 * n) == ""
    assert "stopped responding" in supervised.check(START_S + 4.5)


def test_a_driver_that_does_not_answer_is_reported_by_its_own_process(child):
    supervised, sender = child(camera_stalled, SourceStatus())
    sender.send(SourceStatus(phase="running", stalled=True))
    assert supervised.check(START_S + 8.0) == ""
    sender.send(SourceStatus(phase="running", stalled=True, progress=1))
    assert supervised.check(START_S + 10.0) == ""
    assert "does not answer" in supervised.check(START_S + 10.1)


@pytest.mark.parametrize(
    ("phase", "patience_s"),
    [("importing", 180.0), ("loading", 180.0), ("downloading", 3600.0)],
)
def test_each_phase_of_the_dream_has_its_own_time_limit(child, phase, patience_s):
    supervised, sender = child(dream_stalled, DreamStatus())
    sender.send(DreamStatus(phase=phase))
    assert supervised.check(START_S + 20.0) == ""
    assert supervised.check(START_S + 20.0 + patience_s) == ""
    assert "stopped responding" in supervised.check(START_S + 20.1 + patience_s)


def test_a_dream_has_as_long_for_its_next_step_as_it_says(child):
    supervised, sender = child(dream_stalled, DreamStatus())
    sender.send(DreamStatus(phase="dreaming", progress=1, patience_s=60.0))
    assert supervised.check(START_S) == supervised.check(START_S + 59.0) == ""
    sender.send(DreamStatus(phase="dreaming", progress=2, patience_s=4.25))
    assert supervised.check(START_S + 59.5) == supervised.check(START_S + 63.5) == ""
    assert "stopped responding" in supervised.check(START_S + 64.0)


def no_camera(*args) -> None:
    time.sleep(600)


def dream_that_loses_its_device(job) -> None:
    with Slot(job.status) as slot:
        sender = Sender(slot)
        if job.device != "cpu":
            sender.send(DreamStatus(phase="importing", error="cuda failed: CUDA error: launch failure"))
            raise SystemExit(DeviceLostError.exit_code)
        sender.send(DreamStatus(phase="dreaming", message=job.note, backend=job.backend, progress=1))
        time.sleep(600)


def test_a_dream_that_lost_its_graphics_card_goes_on_on_the_cpu(monkeypatch):
    monkeypatch.setattr(processes, "run_source", no_camera)
    monkeypatch.setattr(processes, "run_dream", dream_that_loses_its_device)
    died, said = [], []
    options = MirrorOptions(device="cuda", backend="tensorrt")
    with Processes(options, Settings(), lambda: died.append(1)) as running:
        deadline = time.monotonic() + 60
        while running.dream.phase != "dreaming" and time.monotonic() < deadline:
            said += running.check(time.monotonic())
            running.listen(time.monotonic())
            time.sleep(0.02)
        note = "cuda failed: CUDA error: launch failure; dreaming on the CPU"
        assert said == [note]
        assert running.dream.message == note
        assert running.dream.backend == "auto"
    assert not died  # no settings are to blame
