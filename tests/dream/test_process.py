"""How the dream process ends when its device is lost, and how the next one begins."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from livedream.dream import process
from livedream.dream.process import DreamJob, run_dream, without_graphics
from livedream.errors import DeviceLostError, NetworkError
from livedream.ipc.mailbox import MESSAGE_BYTES, StatusBoard
from livedream.ipc.protocol import DreamStatus
from livedream.ipc.slots import Slot
from livedream.settings import Settings


@pytest.fixture
def slots():
    with ExitStack() as stack:
        yield [stack.enter_context(Slot.create(MESSAGE_BYTES)) for _ in range(4)]


def job_of(slots, **changes):
    names = dict(zip(("frames", "orders", "residuals", "status"), (slot.name for slot in slots), strict=True))
    options = {"settings": Settings(), "weights": None, "device": "cuda", "backend": "auto", "log_level": 20}
    return DreamJob(**names, **options | changes)


@pytest.mark.parametrize(
    ("error", "code", "phase"),
    [
        (DeviceLostError("cuda failed: CUDA error: launch failure"), 75, "importing"),
        (NetworkError("no weights"), 1, "failed"),
    ],
)
def test_a_lost_device_is_no_reason_to_end_the_show(monkeypatch, slots, error, code, phase):
    def fail(*args):
        raise error

    monkeypatch.setattr(process, "set_up_child", lambda *args: None)
    monkeypatch.setattr(process, "_dreamer", fail)
    with pytest.raises(SystemExit) as ended:
        run_dream(job_of(slots))
    assert ended.value.code == code
    status = StatusBoard(slots[3], DreamStatus()).update(0.0)
    assert (status.phase, status.error) == (phase, str(error))


@pytest.mark.parametrize(
    ("backend", "instead"), [("auto", "auto"), ("tensorrt", "auto"), ("pytorch", "pytorch")]
)
def test_the_next_one_uses_the_cpu(slots, backend, instead):
    job = without_graphics(job_of(slots, backend=backend))
    assert (job.device, job.backend) == ("cpu", instead)
