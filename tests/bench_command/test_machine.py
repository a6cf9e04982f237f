"""The machine's ceilings, also where libraries are missing."""

from __future__ import annotations

import sys

import pytest

from livedream.bench import machine
from livedream.bench.machine import Ceiling, ceiling_of, ceilings


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    for name in ("_SIDE", "_HALF_SIDE", "_GPU_SIDE"):
        monkeypatch.setattr(machine, name, 64)
    monkeypatch.setattr(machine, "_ROUNDS", 2)
    monkeypatch.setattr(machine, "_COPY_BYTES", 1 << 16)


def test_each_library_that_is_here_has_a_ceiling():
    found = list(ceilings(1))
    rows = [row for row in found if isinstance(row, Ceiling)]
    assert ("NumPy", "cpu", "fp32") in {(row.library, row.device, row.precision) for row in rows}
    assert all(row.gflops > 0 for row in rows)
    assert [row for row in found if isinstance(row, str)] == []


@pytest.mark.parametrize(("module", "library"), [("torch", "PyTorch"), ("openvino", "OpenVINO")])
def test_a_library_that_is_not_here_is_named(monkeypatch, module, library):
    monkeypatch.setitem(sys.modules, module, None)
    found = list(ceilings(1))
    assert not [row for row in found if isinstance(row, Ceiling) and row.library == library]
    assert any(isinstance(row, str) and row.startswith(f"no {module}") for row in found)
    assert any(isinstance(row, Ceiling) and row.library == "NumPy" for row in found)


def test_the_ceiling_is_the_fastest_in_the_same_precision():
    rows = [
        Ceiling("NumPy", "cpu", "fp32", 100.0),
        Ceiling("PyTorch", "cpu", "fp32", 120.0),
        Ceiling("PyTorch", "cuda", "fp32", 40e3),
        Ceiling("PyTorch", "cuda", "tf32", 300e3),
    ]
    assert ceiling_of(rows, "cpu", "fp32") == 120.0
    assert ceiling_of(rows, "cuda", "fp32") == 300e3  # convolutions use tensor cores
    assert ceiling_of(rows, "cpu", "bf16") is None


def test_copying_is_measured_on_as_many_threads_as_asked():
    assert machine.copy_rates(2)["cpu"] > 0


def test_the_machine_is_described():
    facts = machine.facts(2)
    assert facts["threads"] == 2
    assert facts["processor"]
    assert "numpy" in facts["packages"]
