"""A machine that is none: ceilings, runtimes and a dreamer that take no time."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.bench import machine, mirror, run, subjects
from livedream.bench.machine import Ceiling
from livedream.bench.subjects import EAGER, Subject
from livedream.dream import process
from livedream.errors import BackendError

CEILINGS = [Ceiling("NumPy", "cpu", "fp32", 100.0), Ceiling("OpenVINO", "cpu", "bf16", 400.0)]


class FakeSubjects:
    """Two runtimes that work and one that does not."""

    runtimes = (EAGER, "openvino", "onnxruntime")

    def __init__(self, network="dreamnet", weights=None, device="auto", threads=1):
        self.ran: list[str] = []
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def open(self, runtime, layer, size):
        if runtime == "onnxruntime":
            raise BackendError("it cannot start here")
        if runtime == "tensorrt":
            raise ImportError("No module named 'tensorrt'", name="tensorrt")
        names = {EAGER: "PyTorch cpu fp32", "openvino": "OpenVINO cpu bf16"}
        return Subject(runtime, names[runtime], lambda: self.ran.append(runtime))


class FakeBackend:
    name = "OpenVINO cpu bf16"


class FakeDreamer:
    """Its dream is one level brighter in each tick."""

    backend = FakeBackend()

    def __init__(self):
        self.ticks: list[tuple[tuple[int, ...], int, int]] = []
        self.closed = False

    def tick(self, image, settings, *, time_s):
        self.ticks.append((image.shape, settings.steps, settings.octaves))
        return np.full((180, 320, 3), len(self.ticks), np.float32)

    def classic(self, image, settings):
        return image + np.uint8(1)

    def reset(self):
        self.ticks.clear()

    def close(self):
        self.closed = True


@pytest.fixture
def dreamer(monkeypatch):
    """A dreamer whose layer sees the image's brightness, and whose gradient is 1."""
    monkeypatch.setattr(mirror, "activation_norm", lambda dreamer, image, layer: float(image.mean()) + 1)
    monkeypatch.setattr(mirror, "gradient", lambda dreamer, image, layer: np.ones_like(image))
    return FakeDreamer()


@pytest.fixture
def fake_machine(monkeypatch, dreamer):
    """Everything that the command measures, faked; what it opened."""
    monkeypatch.setattr(machine, "ceilings", lambda threads: iter([*CEILINGS, "no torch ceiling: none here"]))
    monkeypatch.setattr(machine, "copy_rates", lambda threads: {"cpu": 12.5})
    monkeypatch.setattr(subjects, "gpu_name", lambda: None)
    monkeypatch.setattr(subjects, "Subjects", FakeSubjects)
    monkeypatch.setattr(subjects, "open_dreamer", lambda *_: dreamer)
    monkeypatch.setattr(process, "dream_threads", lambda: 3)
    monkeypatch.setattr(run, "_QUICK_FRAMES", 40)
    monkeypatch.setattr(run, "_FRAMES", 40)
    return dreamer


@pytest.fixture
def clock():
    """Each reading is a millisecond after the last."""
    now_s = 0.0

    def read():
        nonlocal now_s
        now_s += 0.001
        return now_s

    return read
