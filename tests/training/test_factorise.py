"""A student that is a factorised teacher, with a random teacher."""

from __future__ import annotations

import torch

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import TEACHER_LAYERS, DreamNet
from training.classic import input_gradient
from training.distil import gradient_cosine
from training.factorise import factorise


def test_a_factorised_teacher_approximates_activations_and_gradients(teacher: BvlcGoogLeNet) -> None:
    torch.manual_seed(0)
    x = torch.rand(6, 3, 12, 12).repeat_interleave(8, 2).repeat_interleave(8, 3)
    fresh, student = (DreamNet().requires_grad_(False) for _ in range(2))
    factorise(student, teacher, x)
    for layer, likeness, least in (("edges", 0.85, 0.2), ("textures", 0.75, 0.05)):
        theirs = teacher.truncate(TEACHER_LAYERS[layer])
        target, gradient = theirs(x).flatten(2), input_gradient(theirs, x)
        activations, cosines = zip(
            *(
                (
                    torch.cosine_similarity(ours(x).flatten(2), target, dim=2).mean(),
                    gradient_cosine(input_gradient(ours, x), gradient),
                )
                for ours in (fresh.truncate(layer), student.truncate(layer))
            ),
            strict=True,
        )
        assert activations[0] < 0.5
        assert activations[1] > likeness
        assert abs(cosines[0]) < least < cosines[1]


def test_channels_that_never_fire_do_no_harm(teacher: BvlcGoogLeNet) -> None:
    student = DreamNet().requires_grad_(False)
    factorise(student, teacher, torch.full((2, 3, 32, 32), 0.5))
    for a in student(torch.rand(2, 3, 32, 32)).values():
        assert a.isfinite().all()
