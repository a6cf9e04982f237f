"""The exported network, its sidecar and the log of a run."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import cv2
import pytest
import torch

from livedream.networks.architectures import dreamnet
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from training import export as export_module
from training.export import ancestor, export, record, score, script_commit, shipped_score
from training.journal import FIELDS, Journal, plot


def test_an_exported_network_loads_and_has_its_provenance(tmp_path: Path) -> None:
    network = DreamNet().requires_grad_(False)
    path = tmp_path / "dreamnet.safetensors"
    sources = [Path("caltech101.tar"), Path("holiday")]
    export(network, path, sources, {"metrics": {"cosine_parts": 0.2}})
    x = torch.rand(1, 3, 48, 48)
    for layer, a in dreamnet.load(path)(x).items():
        torch.testing.assert_close(a, network(x)[layer], rtol=2e-2, atol=2e-2)
    facts = json.loads(path.with_suffix(".json").read_text())
    assert [data["title"] for data in facts["training_data"]] == ["Caltech-101", "holiday"]
    assert facts["layers"]["parts"] == {"channels": 512, "stride": 16, "teacher_layer": "inception_4c"}
    record(path.with_suffix(".json"), {"strength_parts": 0.6})
    facts = json.loads(path.with_suffix(".json").read_text())
    assert facts["metrics"] == {"cosine_parts": 0.2, "strength_parts": 0.6}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dreamnet.json", "dreamnet.safetensors"]


def test_networks_are_compared_by_their_sidecars(tmp_path: Path) -> None:
    path = tmp_path / "dreamnet.safetensors"
    assert shipped_score(path) == math.inf
    good = {
        f"held_out_{kind}_{layer}": v for kind, v in (("error", 0.3), ("cosine", 0.4)) for layer in LAYERS
    }
    export(DreamNet(), path, [], {"metrics": good})
    assert shipped_score(path) == score(good) < score(good | {"held_out_cosine_parts": 0.1})
    path.unlink()
    assert shipped_score(path) == math.inf


def test_the_journal_writes_means_and_a_plot(tmp_path: Path) -> None:
    held_out = {name: 0.5 for name in FIELDS if name.startswith("held_out")}
    journal = Journal(tmp_path / "metrics.csv", append=False)
    journal.add({"error_parts": 1.0})
    journal.add({"error_parts": 0.5})
    assert journal.write({"steps": 10, **held_out})["error_parts"] == 0.75
    Journal(tmp_path / "metrics.csv", append=True).write({"steps": 20, **held_out})
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert lines[0] == ",".join(FIELDS)
    assert len(lines) == 3
    plot(tmp_path / "metrics.csv", tmp_path / "metrics.png")
    drawn = cv2.imread(str(tmp_path / "metrics.png"))
    assert drawn is not None
    assert drawn.std() > 5


def test_the_sidecar_names_the_scripts_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> str:
        names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *names, *words], check=True, capture_output=True, text=True
        ).stdout

    script = tmp_path / "export.py"
    script.write_text("one")
    monkeypatch.setattr(export_module, "__file__", str(script))
    assert script_commit() == {}  # not a checkout
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "another project")
    assert script_commit() == {}  # a copy inside another project's checkout
    git("add", "export.py")
    git("commit", "-q", "-m", "the script")
    assert script_commit() == {"commit": git("rev-parse", "HEAD").strip()}
    script.write_text("two")
    assert script_commit() == {"commit": git("rev-parse", "HEAD").strip() + "-dirty"}


def test_a_network_records_what_it_started_from(tmp_path: Path) -> None:
    path = tmp_path / "first.safetensors"
    export(DreamNet(), path, [Path("flowers.tar")], {}, teacher=False)
    assert "teacher" not in json.loads(path.with_suffix(".json").read_text())
    started = ancestor(path)["started_from"]
    assert started["file"] == "first.safetensors"
    assert started["training_data"][0]["title"] == "tf_flowers"
    path.write_bytes(b"another network")  # so the sidecar no longer matches
    assert set(ancestor(path)["started_from"]) == {"file", "sha256"}
