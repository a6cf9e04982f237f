"""A device that fails: what can be run without it, and what ends the process."""

from __future__ import annotations

import pytest
import torch

from livedream.errors import BackendError, DeviceLostError
from livedream.runtimes import device_errors
from livedream.runtimes.cuda_graphs import Recorded
from livedream.runtimes.device_errors import DeviceFailedError, failure, reason_of, works

CPU = torch.device("cpu")


def test_a_reason_is_one_short_line():
    long = RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be ...\n")
    assert reason_of(long) == "CUDA error: device-side assert triggered"
    assert len(reason_of(RuntimeError("x" * 500))) == 120
    assert reason_of(RuntimeError()) == "RuntimeError"


def test_whether_a_device_works_is_found_out_by_trying(monkeypatch):
    assert works(CPU)

    def broken(*args, **options):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch, "ones", broken)
    assert not works(CPU)


def test_what_does_not_fit_is_not_the_devices_end(monkeypatch):
    found = failure(CPU, torch.OutOfMemoryError("CUDA out of memory."), "the tick")
    assert isinstance(found, DeviceFailedError)
    assert str(found) == "cpu cannot run the tick: CUDA out of memory."
    monkeypatch.setattr(device_errors, "works", lambda device: False)
    found = failure(CPU, RuntimeError("CUDA error: launch failure"), "the tick")
    assert isinstance(found, DeviceLostError)
    assert not isinstance(found, BackendError)  # which would be taken for a layer that cannot be run
    assert str(found) == "cpu failed: CUDA error: launch failure"


def cannot_capture(function, written):
    raise RuntimeError("operation not permitted when stream is capturing")


def test_where_nothing_can_be_recorded_ticks_simply_run(caplog):
    runs = []
    recorded = Recorded(CPU, cannot_capture)
    for _ in range(3):
        recorded("key", lambda: runs.append(1), [])
    assert runs == [1, 1, 1]
    assert not recorded.working
    assert caplog.text.count("CUDA graphs disabled: operation not permitted") == 1


def test_a_device_that_dies_while_it_records_is_lost(monkeypatch):
    monkeypatch.setattr(device_errors, "works", lambda device: False)
    with pytest.raises(DeviceLostError, match="cpu failed: operation not permitted"):
        Recorded(CPU, cannot_capture)("key", lambda: None, [])


def test_recordings_are_bounded_and_hold_what_they_read():
    captured = []

    def capture(function, written):
        captured.append(function)
        return lambda: None

    recorded = Recorded(CPU, capture, most=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        recorded(key, lambda: None, [])
    assert len(captured) == 4  # b made room for c
