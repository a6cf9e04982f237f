"""The original dream of google/deepdream's notebook on a batch of pictures, and how strong it came out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from livedream.dream import ascent


def classic_dream(network: nn.Module, pictures: Tensor, seed: int = 0) -> Tensor:
    """Dream on ``pictures`` (B, 3, H, W) in [0, 1] with the notebook's numbers; the result has their shape.

    ``network`` maps pictures to one layer's activation, whose ``0.5·‖a‖²`` is raised for each picture.
    """

    def direction(x: Tensor) -> Tensor:
        gradient = input_gradient(network, x)
        return gradient / (gradient.abs().mean((1, 2, 3), keepdim=True) + 1e-12)

    return ascent.classic_dream(pictures, direction, torch.Generator().manual_seed(seed))


def input_gradient(network: nn.Module, pictures: Tensor) -> Tensor:
    """Gradient of ``0.5·‖activation‖²`` with respect to ``pictures``; same shape."""
    x = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(0.5 * network(x).square().sum(), x)
    return gradient


@torch.no_grad()
def strength(judge: nn.Module, dreamt: Tensor, pictures: Tensor, seed: int = 0) -> Tensor:
    """Log of the judge's activation norm on ``dreamt`` over that on ``pictures``, under jitter. (B,)."""
    rng = np.random.default_rng(seed)
    total = torch.zeros(len(pictures))
    for shift in rng.integers(-16, 17, (4, 2)).tolist():
        after, before = (judge(p.roll(shift, (2, 3))).flatten(1).norm(dim=1) for p in (dreamt, pictures))
        total += (after / before).log()
    return total / 4
