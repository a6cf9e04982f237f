"""The doctor tells a full install from a lean one, and what is wrong with either."""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from livedream import extras
from livedream.cli import doctor


def _without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


def test_a_lean_install_is_one_and_the_command_makes_it_full(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "torch", "torchvision", "onnx")
    monkeypatch.setattr(doctor, "onnx_runtimes", lambda: ("onnxruntime",))
    (line,) = doctor._install()
    assert line.startswith("--  install    lean, without torch, torchvision, onnx")
    assert line.endswith("uv sync")
    assert "pytorch" not in "".join(doctor._dream())


def test_a_full_install_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_packages", tuple)
    monkeypatch.setattr(doctor, "onnx_runtimes", lambda: ("onnxruntime-gpu",))
    (line,) = doctor._install()
    assert line.startswith("ok  install    full")


def test_two_onnx_runtimes_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "onnx_runtimes", lambda: extras.ONNX_RUNTIMES)
    line = list(doctor._install())[-1]
    assert line.startswith("!!  install    onnxruntime and onnxruntime-gpu write the same files")
    assert "fix: pip uninstall -y onnxruntime onnxruntime-gpu, then uv sync" in line


@pytest.mark.parametrize(("missing", "name"), [("openvino", "OpenVINO"), ("onnxruntime", "ONNX Runtime")])
def test_a_missing_runtime_is_named_and_the_other_is_used(
    missing: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without(monkeypatch, missing, "torch")
    lines = list(doctor._dream())
    assert lines[0].startswith("ok  dream      runs on cpu")
    assert missing not in lines[1]
    assert lines[2].startswith(f"--  backends   {name} is not installed")
    assert "fix: uv sync --no-default-groups --extra lean" in lines[2]


def test_with_nothing_to_run_a_dream_the_command_that_helps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "openvino", "onnxruntime", "torch")
    (line,) = doctor._dream()
    assert line.startswith("!!  dream      nothing here can run it")
    assert "fix: uv sync" in line


def test_a_card_that_only_a_full_install_uses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "torch")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(doctor, "_nvidia_card", lambda: "NVIDIA T4")
    (line,) = doctor._gpu()
    assert line.startswith("--  GPU        NVIDIA T4 found")
    assert "fix: " in line


def test_every_package_that_livedream_may_need_is_looked_for() -> None:
    project = tomllib.loads((Path(doctor.__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in needed}
    assert names == {*doctor._PACKAGES, *doctor._OPTIONAL}
