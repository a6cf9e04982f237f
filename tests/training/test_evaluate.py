"""The classic dream and the metrics of a network."""

from __future__ import annotations

import pytest
import torch

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet
from tests.training.images import blobs
from training import evaluate
from training.classic import classic_dream, strength


def test_a_classic_dream_increases_its_objective(teacher: BvlcGoogLeNet) -> None:
    x = torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    part = teacher.truncate("conv2")
    dreamt = classic_dream(part, x)
    assert dreamt.shape == x.shape
    assert 0.0 <= dreamt.min() <= dreamt.max() <= 1.0
    assert (strength(part, dreamt, x) > 0.3).all()
    assert strength(part, x, x).abs().max() < 1e-5


def test_a_student_identical_to_its_teacher_scores_full_marks(
    teacher: BvlcGoogLeNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Twin(DreamNet):
        def truncate(self, layer: str) -> torch.nn.Sequential:
            return teacher.truncate(TEACHER_LAYERS[layer])

    monkeypatch.setattr(evaluate, "_CROPS", 2)
    monkeypatch.setattr(evaluate, "_CROP_PX", 48)
    metrics = evaluate.held_out_metrics(Twin(), teacher, blobs(2))
    strengths = evaluate.relative_strengths(Twin(), teacher, torch.rand(1, 3, 32, 32))
    assert [metrics[f"held_out_cosine_{layer}"] for layer in LAYERS] == pytest.approx([1.0] * 5, abs=1e-4)
    assert [metrics[f"held_out_error_{layer}"] for layer in LAYERS] == pytest.approx([0.0] * 5, abs=1e-6)
    assert list(strengths.values()) == pytest.approx([1.0] * 5, abs=1e-4)
