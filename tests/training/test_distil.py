"""Targets and losses, with a random teacher."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import avg_pool2d

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet
from training.classic import input_gradient
from training.distil import (
    Scales,
    gradient_cosine,
    gradient_error,
    student_gradient,
    teacher_targets,
)


def test_the_targets_are_the_teachers_activations_and_gradient(teacher: BvlcGoogLeNet) -> None:
    x = torch.rand(2, 3, 48, 48)
    targets = teacher_targets(teacher, x, "textures")
    assert {layer: a.shape[1] for layer, a in targets.activations.items()} == {
        layer: channels for layer, (channels, _) in LAYERS.items()
    }
    part = teacher.truncate(TEACHER_LAYERS["textures"])
    torch.testing.assert_close(targets.activations["textures"], part(x))
    torch.testing.assert_close(targets.gradient, input_gradient(part, x))
    assert not any(a.requires_grad for a in targets.activations.values())


def test_folding_the_scales_makes_the_network_predict_the_activations_themselves() -> None:
    student, x = DreamNet().requires_grad_(False), torch.rand(2, 3, 32, 32)
    activations = {name: 300 * torch.rand(2, channels, 4, 4) for name, (channels, _) in LAYERS.items()}
    scales = Scales(activations)
    before = student(x)
    scales.fold(student)
    for layer, a in student(x).items():
        torch.testing.assert_close(a, before[layer] * scales.of[layer], rtol=1e-4, atol=1e-3)
    scales.unfold(student)
    torch.testing.assert_close(student(x), before)


def test_the_students_gradient_is_that_of_the_scaled_activation() -> None:
    student, x = DreamNet(), torch.rand(2, 3, 32, 32, requires_grad=True)
    scale = torch.linspace(1, 200, 192).view(1, -1, 1, 1)
    gradient = student_gradient(student(x)["edges"], scale, x, create_graph=False)
    (expected,) = torch.autograd.grad((scale * student(x)["edges"]).square().sum(), x)
    assert float(gradient_cosine(gradient, expected)) == pytest.approx(1.0)
    assert float(gradient_cosine(gradient, -expected)) == pytest.approx(-1.0)


def test_the_gradient_error_sees_coarse_differences_that_the_cosine_misses() -> None:
    theirs = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    assert float(gradient_error(3.0 * theirs, theirs)) == pytest.approx(0.0, abs=1e-5)
    assert float(gradient_error(-theirs, theirs)) == pytest.approx(2.0, abs=1e-4)
    washed = theirs + 0.3
    grainy = theirs - avg_pool2d(theirs, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    for ours in (washed, grainy):
        assert float(1.0 - gradient_cosine(ours, theirs)) < 0.1
        assert float(gradient_error(ours, theirs)) > 0.5
