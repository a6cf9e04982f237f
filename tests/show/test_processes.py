"""When the camera and the dream process count as hung, by the show's own clock and what they reported."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

from livedream.dream.process import DreamJob
from livedream.errors import DeviceLostError
from livedream.ipc import supervised
from livedream.ipc.mailbox import MESSAGE_BYTES, Sender, StatusBoard
from livedream.ipc.protocol import DreamStatus, SourceStatus
from livedream.ipc.slots import Slot
from livedream.ipc.supervised import Supervised
from livedream.settings import Settings
from livedream.show import camera_keeper, dream_keeper, fallback
from livedream.show.dream_keeper import DreamKeeper
from livedream.show.fallback import Fallback
from livedream.show.faults import Faults
from livedream.show.options import MirrorOptions
from livedream.show.processes import Processes
from livedream.show.stalled import camera_stalled, dream_stalled

START_S = 100.0


def sleep() -> None:
    time.sleep(600)


@pytest.fixture
def child():
    """Starts a child at ``START_S`` that says what the test says for it."""
    with Slot.create(MESSAGE_BYTES) as slot:
        children = []

        def start(stalled, status, last_words=None, slowness=lambda: 1.0):
            board, sender = StatusBoard(slot, status), Sender(slot)
            if last_words is not None:
                sender.send(last_words)  # by the child before this one
                board.update(START_S - 1)
            supervised = Supervised(
                "child", sleep, (), partial(stalled, board, slowness), starting=board.restarted
            )
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


OPENED_S = START_S + 10.1


def test_a_camera_process_that_has_spoken_must_go_on_speaking(child):
    supervised, sender = child(camera_stalled, SourceStatus())
    for n in range(5):
        sender.send(SourceStatus(phase="running", progress=n))
        assert supervised.check(OPENED_S + 4.0 * n) == ""
    assert supervised.check(OPENED_S + 16.0 + 4.2) == ""
    assert "stopped responding" in supervised.check(OPENED_S + 16.0 + 4.5)


def test_a_camera_that_has_just_been_opened_has_time(child):
    supervised, sender = child(camera_stalled, SourceStatus())
    sender.send(SourceStatus(phase="running"))
    assert supervised.check(START_S + 1.0) == supervised.check(START_S + 9.9) == ""
    assert "stopped responding" in supervised.check(START_S + 10.1)


def test_a_camera_process_that_says_the_same_again_makes_no_progress(child):
    supervised, sender = child(camera_stalled, SourceStatus())
    for n in range(3):
        sender.send(SourceStatus(phase="running", progress=1, message=f"still here {n}"))
        assert supervised.check(OPENED_S + 2.0 * n) == ""
    assert "stopped responding" in supervised.check(OPENED_S + 4.5)


def test_on_a_machine_with_too_much_to_do_patience_is_longer(child):
    supervised, sender = child(camera_stalled, SourceStatus(), slowness=lambda: 3.0)
    sender.send(SourceStatus(phase="running"))
    assert supervised.check(OPENED_S) == supervised.check(OPENED_S + 12.0) == ""
    assert "stopped responding" in supervised.check(OPENED_S + 13.0)


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
        sender.send(DreamStatus(phase="dreaming", backend=job.backend, progress=1))
        time.sleep(600)


def test_a_dream_that_lost_its_graphics_card_goes_on_on_the_cpu(monkeypatch):
    monkeypatch.setattr(camera_keeper, "run_source", no_camera)
    monkeypatch.setattr(dream_keeper, "run_dream", dream_that_loses_its_device)
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
        assert running.fallback == Fallback("cpu", "cuda failed: CUDA error: launch failure")
        assert [fault.kind for fault in running.fault_list] == ["graphics card lost"]
    assert not died  # no settings are to blame


class Running:
    """Processes with a dream of the test that is restarted at once; the test may turn the clock forward."""

    def __init__(self, monkeypatch, dream) -> None:
        monkeypatch.setattr(camera_keeper, "run_source", no_camera)
        monkeypatch.setattr(dream_keeper, "run_dream", dream)
        monkeypatch.setattr(supervised, "restart_delay_s", lambda failures: 0.0)
        self.died: list[int] = []
        self.said: list[str] = []
        self.processes = Processes(MirrorOptions(device="cpu"), Settings(), lambda: self.died.append(1))
        self.forward_s = 0.0

    def until(self, condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, (self.said, self.processes.fallback)
            now = time.monotonic() + self.forward_s
            self.processes.listen(now)
            self.said += [text for text in self.processes.check(now) if "camera" not in text]
            time.sleep(0.02)


def dream_that_dies_unless_it_is_small(job) -> None:
    with Slot(job.status) as slot:
        if job.limit_px is None:
            raise SystemExit(9)
        Sender(slot).send(DreamStatus(phase="dreaming", device="cpu", progress=1))
        time.sleep(600)


def test_a_dream_that_dies_five_times_in_a_minute_goes_on_smaller_and_that_is_said(monkeypatch):
    running = Running(monkeypatch, dream_that_dies_unless_it_is_small)
    with running.processes as feeds:
        running.until(lambda: feeds.dream.phase == "dreaming")
        rung, why = feeds.fallback.rung, feeds.fallback.why
        assert rung == "smaller"
        assert why.startswith("the dream died 5 times in a ")  # minute, or row
        assert running.said[-1] == f"{why}; dreaming at the smallest size"
        assert feeds.dream.message == f"{why}; dreaming at the smallest size"
        assert [fault.kind for fault in feeds.fault_list] == ["dream died"]
        assert feeds.faults == len(running.died) == 5


def dream_that_dies(job) -> None:
    with Slot(job.status) as slot, Slot(job.residuals) as residuals:
        Sender(slot).send(DreamStatus(phase="dreaming", device="cpu", progress=1, faults={"dream NaN": 2}))
        residuals.publish(np.full((90, 160, 3), 20, np.float32), index=1)
    time.sleep(0.1)
    raise SystemExit(9)


def test_a_dream_that_always_dies_leaves_a_still_one_and_is_tried_again(monkeypatch):
    monkeypatch.setattr(fallback, "MOST_DEATHS", 2)  # each takes a while
    running = Running(monkeypatch, dream_that_dies)
    with running.processes as feeds:
        found = []

        def still() -> bool:
            found.append(feeds.residual())
            return feeds.fallback.rung == "still"

        running.until(still)
        assert feeds.pids().keys() == {"camera"}
        assert feeds.dream.message.endswith("; showing a still dream")
        assert feeds.dream.dream_fps == 0.0
        faults = {fault.kind: fault.count for fault in feeds.fault_list}
        assert faults == {"dream died": 4, "dream NaN": 8}
        running.forward_s = 15.0
        running.until(lambda: feeds.frame() and feeds.residual())  # on the show's own pictures
        running.forward_s = 61.0
        running.until(lambda: feeds.fallback.rung == "smaller")


def test_the_last_words_of_a_dream_that_ends_at_once_are_heard_before_anyone_looks_after_it():
    with Slot.create(MESSAGE_BYTES) as slot, Slot.create(1024) as residuals:
        job = DreamJob("frames", "orders", residuals.name, slot.name, Settings(), None, "cpu", "auto", 20)
        keeper = DreamKeeper(job, residuals, slot, Faults(), lambda: None)
        Sender(slot).send(DreamStatus(phase="failed", error="nothing can run it", faults={"dream NaN": 2}))
        keeper.listen(START_S)
        assert (keeper.status.phase, keeper.status.error) == ("failed", "nothing can run it")
