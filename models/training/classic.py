"""The original dream of google/deepdream's notebook on a batch of pictures, and how strong it came out."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

OCTAVES, OCTAVE_SCALE, ITERATIONS, STEP_LEVELS, JITTER_PX = 4, 1.4, 10, 1.5, 32


def classic_dream(network: nn.Module, pictures: Tensor, seed: int = 0) -> Tensor:
    """Dream on ``pictures`` (B, 3, H, W) in [0, 1] with the notebook's numbers; the result has their shape.

    ``network`` maps pictures to one layer's activation, whose ``0.5·‖a‖²`` is raised for each picture.
    """
    rng = np.random.default_rng(seed)
    height, width = pictures.shape[-2:]
    detail = torch.zeros_like(pictures)
    x = pictures
    for octave in reversed(range(OCTAVES)):
        scale = OCTAVE_SCALE**-octave
        size = (max(16, round(height * scale)), max(16, round(width * scale)))
        base = F.interpolate(pictures, size, mode="bilinear", antialias=True)
        x = base + F.interpolate(detail, size, mode="bilinear")
        for _ in range(ITERATIONS):
            shift = tuple(int(v) for v in rng.integers(-JITTER_PX, JITTER_PX + 1, 2))
            gradient = input_gradient(network, x.roll(shift, (2, 3))).roll((-shift[0], -shift[1]), (2, 3))
            mean = gradient.abs().mean((1, 2, 3), keepdim=True) + 1e-12
            x = (x + STEP_LEVELS / 255.0 * gradient / mean).clamp(0.0, 1.0)
        detail = x - base
    return x


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
