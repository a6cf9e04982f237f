"""When the camera and the dream process are taken for dead, by the clock and by what they said themselves."""

from __future__ import annotations

import time
from functools import partial

import pytest

from livedream.ipc.slots import Slot
from livedream.ipc.supervised import Supervised
from livedream.show.processes import Status, camera_stalled, dream_stalled

START_S = 100.0


def sleep() -> None:
    time.sleep(600)


@pytest.fixture
def child():
    """Starts a child at ``START_S`` that says what the test says for it; its worker and its status slot."""
    with Slot.create(1 << 16) as slot:
        processes = []

        def start(stalled, last_words=None):
            if last_words is not None:
                slot.publish_json(last_words)  # by the child before this one
            worker = Supervised("child", sleep, (), partial(stalled, Status(slot)))
            processes.append(worker)
            worker.start(START_S)
            return worker, slot

        yield start
        for worker in processes:
            worker.close()


@pytest.mark.parametrize("stalled", [camera_stalled, dream_stalled])
@pytest.mark.parametrize(
    "last_words", [None, {"time_s": START_S - 9.0, "stalled": True, "state": "ready"}], ids=["first", "again"]
)
def test_a_child_has_a_minute_to_start(child, stalled, last_words):
    worker, _ = child(stalled, last_words)
    assert worker.check(START_S + 11.0) == ""
    assert worker.check(START_S + 60.0) == ""
    assert worker.check(START_S + 60.1) == "child has not started in 60 s"


def test_a_camera_process_that_has_spoken_must_go_on_speaking(child):
    worker, slot = child(camera_stalled)
    slot.publish_json({"time_s": START_S + 30.0})
    assert worker.check(START_S + 40.0) == ""
    assert worker.check(START_S + 40.1) == "child is silent"


def test_a_camera_that_does_not_answer_is_believed_from_its_own_process(child):
    worker, slot = child(camera_stalled)
    slot.publish_json({"time_s": START_S + 12.0, "stalled": True})
    assert worker.check(START_S + 12.1) == "child does not answer"


@pytest.mark.parametrize(("state", "patience_s"), [("loading", 900.0), ("ready", 60.0)])
def test_a_dream_that_loads_may_be_silent_for_longer(child, state, patience_s):
    worker, slot = child(dream_stalled)
    slot.publish_json({"time_s": START_S + 20.0, "state": state})
    assert worker.check(START_S + 20.0 + patience_s) == ""
    assert worker.check(START_S + 20.1 + patience_s) == "child is silent"
