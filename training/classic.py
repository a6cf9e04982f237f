"""The dream of google/deepdream's notebook on a batch of images, and its strength."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from livedream.dream import ascent


def classic_dream(network: nn.Module, images: Tensor, seed: int = 0) -> Tensor:
    """Dream on ``images`` (B, 3, H, W) in [0, 1] with the notebook's parameters; returns the same shape.

    ``network`` maps images to the activation of a layer; the dream maximises its ``0.5·‖a‖²``.
    """

    def direction(x: Tensor) -> Tensor:
        gradient = input_gradient(network, x)
        return gradient / (gradient.abs().mean((1, 2, 3), keepdim=True) + 1e-12)

    return ascent.classic_dream(images, direction, torch.Generator().manual_seed(seed))


def input_gradient(network: nn.Module, images: Tensor) -> Tensor:
    """Gradient of ``0.5·‖activation‖²`` with respect to ``images``; same shape."""
    x = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(0.5 * network(x).square().sum(), x)
    return gradient


@torch.no_grad()
def strength(judge: nn.Module, dreamt: Tensor, images: Tensor, seed: int = 0) -> Tensor:
    """Mean log ratio of the judge's activation norm on ``dreamt`` and on ``images``, under jitter: (B,)."""
    rng = np.random.default_rng(seed)
    total = torch.zeros(len(images))
    for shift in rng.integers(-16, 17, (4, 2)).tolist():
        after, before = (judge(p.roll(shift, (2, 3))).flatten(1).norm(dim=1) for p in (dreamt, images))
        total += (after / before).log()
    return total / 4
