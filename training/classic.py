"""The dream of google/deepdream's notebook on a batch of images, and its strength."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from livedream.dream.ascent import octave_size, random_shift

_OCTAVES, _OCTAVE_SCALE, _ITERATIONS, _STEP, _JITTER_PX = 4, 1.4, 10, 1.5 / 255, 32


def classic_dream(network: nn.Module, images: Tensor, seed: int = 0) -> Tensor:
    """Dream on ``images`` (B, 3, H, W) in [0, 1] with the notebook's parameters; returns the same shape.

    ``network`` maps images to the activation of a layer; the dream maximises its ``0.5·‖a‖²``. The same loop
    as :func:`livedream.dream.ascent.classic_dream`, for a batch.
    """
    rng = np.random.default_rng(seed)
    height, width = images.shape[-2:]
    detail = torch.zeros_like(images)
    for octave in reversed(range(_OCTAVES)):
        size = octave_size(height, width, octave, _OCTAVE_SCALE)
        base = _resized(images, size)
        x = base + _resized(detail, size)
        for _ in range(_ITERATIONS):
            shift = random_shift(_JITTER_PX, rng)
            gradient = input_gradient(network, x.roll(shift, (2, 3)))
            direction = gradient / (gradient.abs().mean((1, 2, 3), keepdim=True) + 1e-12)
            x = (x + _STEP * direction.roll((-shift[0], -shift[1]), (2, 3))).clamp(0.0, 1.0)
        detail = x - base
    return (images + detail).clamp(0.0, 1.0)


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[-2:]) == size:
        return x
    return interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=size[0] < x.shape[-2])


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
