"""Rows of steps: ratios, fractions of the ceiling, filters, and why a row is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from livedream.bench import steps
from livedream.bench.machine import Ceiling
from livedream.bench.steps import measure_steps
from livedream.bench.subjects import EAGER, Subject
from tests.bench_command.conftest import CEILINGS, FakeSubjects

SIZE = (160, 90)
TIMES = {EAGER: 40.0, "openvino": 10.0}


@pytest.fixture
def measured(monkeypatch):
    """Measures with known times."""

    def measure(subjects=None, ceilings=CEILINGS, **options):
        monkeypatch.setattr(steps, "take_turns", lambda runs, seconds: {name: TIMES[name] for name in runs})
        options = {"wanted": (), "seconds": 0.0} | options
        return measure_steps(
            subjects or FakeSubjects(), "dreamnet", "parts", SIZE, ceilings=ceilings, **options
        )

    return measure


def test_each_runtime_is_compared_with_plain_pytorch(measured):
    rows, missing = measured()
    assert [(row.runtime, row.step_ms, row.ratio_to_eager) for row in rows] == [
        (EAGER, 40.0, 1.0),
        ("openvino", 10.0, 4.0),
    ]
    assert (rows[0].network, rows[0].layer, rows[0].width, rows[0].height) == ("dreamnet", "parts", *SIZE)
    assert any("onnxruntime: it cannot start here" in line for line in missing)


def test_only_the_runtimes_asked_for_have_rows_and_still_a_ratio(measured):
    rows, missing = measured(wanted=("openvino",))
    assert [(row.runtime, row.ratio_to_eager) for row in rows] == [("openvino", 4.0)]
    assert not any("onnxruntime" in line for line in missing)


def test_a_runtime_that_is_not_installed_is_named(measured):
    rows, missing = measured(wanted=("tensorrt",))
    assert rows == []
    assert missing == ["dreamnet parts in tensorrt: not installed (tensorrt)"]


def test_without_pytorch_there_is_no_ratio(measured):
    class Lean(FakeSubjects):
        def open(self, runtime, layer, size):
            if runtime == EAGER:
                raise ImportError("No module named 'torch'", name="torch")
            return super().open(runtime, layer, size)

    rows, missing = measured(Lean())
    assert [(row.runtime, row.ratio_to_eager) for row in rows] == [("openvino", None)]
    assert f"dreamnet parts in {EAGER}: not installed (torch)" in missing


class WithGraph(FakeSubjects):
    def open(self, runtime, layer, size):
        subject = super().open(runtime, layer, size)
        return Subject(runtime, subject.name, subject.step, Path("a.onnx"))


def test_the_fraction_of_the_ceiling_is_that_of_its_own_precision(measured, monkeypatch):
    monkeypatch.setattr(steps, "count", lambda path, size: 10**9)
    rows, _ = measured(WithGraph())
    # 1 GFLOP in 40 ms of at most 100 GFLOP/s, and in 10 ms of at most 400
    assert [row.of_ceiling for row in rows] == [0.25, 0.25]
    rows, _ = measured(WithGraph(), ceilings=[Ceiling("NumPy", "cpu", "fp32", 50.0)])
    assert [row.of_ceiling for row in rows] == [0.5, None]


def test_operations_that_nobody_counts_leave_the_fraction_open(measured, monkeypatch):
    monkeypatch.setattr(steps, "count", lambda path, size: None)
    rows, missing = measured(WithGraph())
    assert [row.of_ceiling for row in rows] == [None, None]
    assert any("no runtime counts the operations" in line for line in missing)


def test_a_runtime_that_crashes_costs_only_its_own_row(measured):
    class Crashing(FakeSubjects):
        def open(self, runtime, layer, size):
            subject = super().open(runtime, layer, size)

            def crash():
                raise RuntimeError("out of memory")

            return Subject(runtime, subject.name, crash) if runtime == "openvino" else subject

    rows, missing = measured(Crashing())
    assert [row.runtime for row in rows] == [EAGER]
    assert any("it does not run: out of memory" in line for line in missing)


@pytest.mark.parametrize(
    ("runtime", "name", "device", "precision"),
    [
        ("openvino", "OpenVINO cpu bf16", "cpu", "bf16"),
        ("openvino-gpu", "OpenVINO gpu fp16", "gpu", "fp16"),
        ("onnxruntime", "ONNX Runtime cpu", "cpu", "fp32"),
        ("onnxruntime-cuda", "ONNX Runtime cuda fp16", "cuda", "fp16"),
        ("tensorrt", "TensorRT fp16", "cuda", "fp16"),
        ("pytorch", "PyTorch cuda bf16 graph", "cuda", "bf16"),
    ],
)
def test_device_and_precision_are_read_from_what_the_hud_shows(runtime, name, device, precision):
    subject = Subject(runtime, name, lambda: None)
    assert (subject.device, subject.precision) == (device, precision)
