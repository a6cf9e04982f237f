"""``python -m models.training`` and the evaluation, from arguments to files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from torch import Tensor

from livedream.networks import bvlc_googlenet, dreamnet
from livedream.networks.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.dreamnet import LAYERS, DreamNet
from models.training import evaluate
from models.training.__main__ import main
from models.training.export import export
from tests.models.training.pictures import jpeg


@pytest.fixture
def workshop(tmp_path: Path, teacher: BvlcGoogLeNet, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a short run in a folder of its own."""
    tensors: dict[str, Tensor] = dict(bvlc_googlenet.parameters(teacher))
    np.savez(tmp_path / "teacher.npz", **{name: t.numpy() for name, t in tensors.items()})
    (tmp_path / "photos").mkdir()
    for i in range(4):
        (tmp_path / "photos" / f"{i}.jpg").write_bytes(jpeg(i))
    monkeypatch.setattr(evaluate, "_CROPS", 2)
    monkeypatch.setattr(evaluate, "_CROP_PX", 48)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = {"teacher": "teacher.npz", "images": "photos", "run": "run", "out": "out", "cache": "cache"}
    return [word for name, value in paths.items() for word in (f"--{name}", str(tmp_path / value))]


def test_the_command_trains_and_resumes(workshop: list[str], tmp_path: Path) -> None:
    short = ["--minutes", "0.0001", "--batch", "2", "--fp32", "--device", "cpu"]
    assert main([*workshop, *short]) == 0
    dreamnet.load(tmp_path / "out" / "dreamnet.safetensors")
    assert main([*workshop, *short, "--resume"]) == 0
    facts = json.loads((tmp_path / "out" / "dreamnet.json").read_text())
    assert facts["metrics"]["steps"] in (1, 2)  # the second only if it was better
    assert (tmp_path / "run" / "metrics.png").exists()
    (tmp_path / "out" / "dreamnet.safetensors").unlink()
    assert main([*workshop, *short, "--resume", "--minutes", "0"]) == 0  # exports, trains no further
    assert json.loads((tmp_path / "out" / "dreamnet.json").read_text())["metrics"]["steps"] == 2
    dreamnet.load(tmp_path / "out" / "dreamnet.safetensors")


def test_the_evaluation_prints_its_numbers_and_draws(
    workshop: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate, "_SHEET_PX", 32)
    weights = tmp_path / "dreamnet.safetensors"
    export(DreamNet().requires_grad_(False), weights, [], {"metrics": {}})
    asked = ["--weights", str(weights), "--pictures", "0", "--record", "--sheet", str(tmp_path / "sheet.png")]
    photo = ["--photos", str(tmp_path / "photos" / "0.jpg")]
    where = [
        word
        for name in ("teacher", "images", "cache")
        for word in workshop[workshop.index(f"--{name}") :][:2]
    ]
    assert evaluate.main([*where, *asked, *photo]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {f"held_out_{kind}_{layer}" for kind in ("error", "cosine") for layer in LAYERS}
    assert json.loads(weights.with_suffix(".json").read_text())["metrics"] == printed
    drawn = cv2.imread(str(tmp_path / "sheet.png"))
    assert drawn is not None
    assert drawn.shape == (2 * 27, 6 * 32, 3)


def test_the_command_names_what_is_missing(
    workshop: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*workshop, "--teacher", str(tmp_path / "none.npz")]) == 1
    assert "none.npz" in caplog.text
    assert main([*workshop, "--resume"]) == 1
    assert "no checkpoint at" in caplog.text
