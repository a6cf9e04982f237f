"""``python -m training`` and the evaluation, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from livedream.networks.architectures import bvlc_googlenet, dreamnet
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from tests.training.images import jpeg
from training import evaluate, imitation, own
from training.__main__ import main
from training.export import export


@pytest.fixture
def workshop(tmp_path: Path, teacher: BvlcGoogLeNet, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a short run in a temporary folder."""
    tensors: dict[str, Tensor] = dict(bvlc_googlenet.parameters(teacher))
    np.savez(tmp_path / "teacher.npz", **{name: t.numpy() for name, t in tensors.items()})
    (tmp_path / "photos").mkdir()
    for i in range(4):
        (tmp_path / "photos" / f"{i}.jpg").write_bytes(jpeg(i))
    monkeypatch.setattr(evaluate, "_CROPS", 2)
    monkeypatch.setattr(evaluate, "_CROP_PX", 48)
    monkeypatch.setattr(imitation, "_FACTORISED_ON", (2, 48))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = {"teacher": "teacher.npz", "images": "photos", "run": "run", "out": "out", "cache": "cache"}
    return [word for name, value in paths.items() for word in (f"--{name}", str(tmp_path / value))]


def test_the_command_trains_and_resumes(workshop: list[str], tmp_path: Path) -> None:
    assert main([*workshop, *SHORT]) == 0
    dreamnet.load(tmp_path / "out" / "dreamnet.safetensors")
    assert main([*workshop, *SHORT, "--resume"]) == 0
    facts = json.loads((tmp_path / "out" / "dreamnet.json").read_text())
    assert facts["metrics"]["steps"] in (1, 2)  # the second only if it is better
    assert (tmp_path / "run" / "metrics.png").exists()
    (tmp_path / "out" / "dreamnet.safetensors").unlink()
    assert main([*workshop, *SHORT, "--resume", "--minutes", "0"]) == 0  # exports without training
    assert json.loads((tmp_path / "out" / "dreamnet.json").read_text())["metrics"]["steps"] == 2
    dreamnet.load(tmp_path / "out" / "dreamnet.safetensors")


SHORT = ["--minutes", "0.0001", "--batch", "2", "--fp32", "--device", "cpu"]


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments of a short run on two folders of images, without a teacher."""
    for i in range(24):
        folder = tmp_path / "garden" / ("roses" if i % 2 else "daisies")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.jpg").write_bytes(jpeg(i))
    monkeypatch.setattr(own, "_EVALUATED", 4)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    paths = {"images": "garden", "run": "run", "cache": "cache"}
    return [word for name, value in paths.items() for word in (f"--{name}", str(tmp_path / value))] + SHORT


def test_the_folders_are_the_labels(garden: list[str], tmp_path: Path) -> None:
    weights = tmp_path / "begin.safetensors"
    export(DreamNet().requires_grad_(False), weights, [Path("caltech101.tar")], {})
    assert main([*garden, "--labels", "--start-from", str(weights)]) == 0
    facts = json.loads((tmp_path / "run" / "dreamnet.json").read_text())
    assert facts["method"] == "labels"
    assert facts["classes"] == ["daisies", "roses"]
    assert facts["training_data"] == [{"title": "garden", "licence": "unknown"}]
    assert facts["started_from"]["training_data"][0]["title"] == "Caltech-101"
    assert "teacher" not in facts
    dreamnet.load(tmp_path / "run" / "dreamnet.safetensors")
    assert main([*garden, "--labels", "--resume"]) == 0
    facts = json.loads((tmp_path / "run" / "dreamnet.json").read_text())
    assert facts["metrics"]["steps"] == 2
    assert facts["started_from"]["file"] == "begin.safetensors"
    assert 0.0 <= facts["metrics"]["held_out_accuracy_parts"] <= 1.0
    assert (tmp_path / "run" / "metrics.png").exists()


def test_labels_are_optional(garden: list[str], tmp_path: Path) -> None:
    assert main([*garden, "--self-supervised"]) == 0
    facts = json.loads((tmp_path / "run" / "dreamnet.json").read_text())
    assert facts["method"] == "self-supervised"
    assert 0.0 <= facts["metrics"]["held_out_corrupted_parts"] <= 1.0
    dreamnet.load(tmp_path / "run" / "dreamnet.safetensors")


def test_unsuitable_images_and_options_are_reported(
    garden: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    roses = [*garden, "--images", str(tmp_path / "garden" / "roses")]
    assert main([*roses, "--labels"]) == 1
    assert "found 1, no folder" in caplog.text
    assert main([*roses, "--self-supervised"]) == 1
    assert "expected at least 20" in caplog.text
    with pytest.raises(SystemExit):
        main(garden)
    assert "--teacher --labels --self-supervised" in capsys.readouterr().err


def test_the_evaluation_prints_and_records_its_metrics(
    workshop: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "dreamnet.safetensors"
    export(DreamNet().requires_grad_(False), weights, [], {"metrics": {}})
    asked = ["--weights", str(weights), "--pictures", "0", "--record"]
    where = [
        word
        for name in ("teacher", "images", "cache")
        for word in workshop[workshop.index(f"--{name}") :][:2]
    ]
    assert evaluate.main([*where, *asked]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {f"held_out_{kind}_{layer}" for kind in ("error", "cosine") for layer in LAYERS}
    assert json.loads(weights.with_suffix(".json").read_text())["metrics"] == printed


def test_missing_files_are_reported(
    workshop: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main([*workshop, "--teacher", str(tmp_path / "none.npz")]) == 1
    assert "none.npz" in caplog.text
    assert main([*workshop, "--resume"]) == 1
    assert "no checkpoint at" in caplog.text
