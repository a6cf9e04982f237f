"""Gradient shaping: what the direction of a step is made of, fine or coarse, grey or colourful.

Sources: google/deepdream and the TensorFlow DeepDream tutorial (Laplacian pyramid normalisation);
tensorflow/lucid, ``optvis/param/color.py`` (decorrelated colours).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

#: The covariance of natural pictures' colours (lucid's square root of it times its transpose, divided by the
#: largest entry): multiplied by it, a gradient prefers colours that go together in nature.
_NATURAL = (
    (0.9292, 0.8449, 0.7656),
    (0.8449, 0.9206, 0.8718),
    (0.7656, 0.8718, 1.0000),
)
_LEVELS = 3


def shaped(direction: Tensor, shaping: str) -> Tensor:
    """``direction`` (1, 3, H, W) shaped (``none``, ``smooth``, ``laplacian``, ``colour``), of mean size 1."""
    if shaping == "none":
        return direction
    if shaping == "smooth":
        direction = _smooth(direction)
    elif shaping == "laplacian":
        direction = _balanced(direction, _LEVELS)
    else:
        natural = torch.tensor(_NATURAL, dtype=direction.dtype, device=direction.device)
        direction = torch.einsum("ij,bjhw->bihw", natural, direction)
    return direction / direction.abs().mean().clamp_min(1e-12)


def _smooth(x: Tensor) -> Tensor:
    """Low-passed by about two pixels."""
    for _ in range(2):
        x = avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    return x


def _balanced(x: Tensor, levels: int) -> Tensor:
    """Each octave of frequencies with the same energy: a Laplacian pyramid, its levels of size 1."""
    if levels == 0 or min(x.shape[-2:]) < 8:
        return _unit(x)
    low = avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
    up = interpolate(low, size=x.shape[-2:], mode="bilinear", align_corners=False)
    lower = interpolate(_balanced(low, levels - 1), size=x.shape[-2:], mode="bilinear", align_corners=False)
    return _unit(x - up) + lower


def _unit(x: Tensor) -> Tensor:
    return x / x.square().mean().sqrt().clamp_min(1e-12)
