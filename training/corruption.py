"""Corrupted copies of images: they keep the colours and lose the content.

A network that learns to tell images from corrupted copies learns what the corruption destroys; each kind of
corruption destroys something else.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_TILES_PX = (8, 16, 32)
_BLURS_PX = (4, 8, 16)
_NOISE = 0.08  # maximum, as a fraction of the pixel range


def corrupt(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Each of ``images`` (B, 3, H, W) in [0, 1], corrupted in a random way; same shape."""
    corruptions = (scatter, scramble, blur)
    return torch.stack([corruptions[rng.integers(len(corruptions))](image, rng) for image in images]).clamp(
        0.0, 1.0
    )


def scatter(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Shuffle square tiles: keeps strokes, destroys shapes. (3, H, W)."""
    side = int(rng.choice([px for px in _TILES_PX if 2 * px <= min(image.shape[1:])] or [1]))
    rows, columns = image.shape[1] // side, image.shape[2] // side
    inner = image[:, : rows * side, : columns * side]
    tiles = inner.reshape(3, rows, side, columns, side).permute(1, 3, 0, 2, 4).flatten(0, 1)
    tiles = tiles[torch.from_numpy(rng.permutation(len(tiles)))]
    corrupted = image.clone()
    moved = tiles.reshape(rows, columns, 3, side, side).permute(2, 0, 3, 1, 4)
    corrupted[:, : rows * side, : columns * side] = moved.reshape(inner.shape)
    return corrupted


def scramble(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Randomise the phases: keeps the spectrum, leaves clouds. (3, H, W)."""
    height, width = image.shape[1:]
    noise = torch.from_numpy(rng.random((height, width)).astype(np.float32)).to(image.device)
    phase = torch.fft.rfft2(noise)
    phase = phase / phase.abs().clamp_min(1e-9)
    phase[0, 0] = 1.0
    corrupted: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * phase, s=(height, width))
    return corrupted


def blur(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur, then add a little noise: keeps colours, destroys strokes. (3, H, W)."""
    blotches = F.avg_pool2d(image[None], int(rng.choice(_BLURS_PX)))
    smooth = F.interpolate(blotches, image.shape[1:], mode="bicubic", align_corners=False)[0]
    grain = rng.normal(0.0, rng.uniform(0.0, _NOISE), image.shape).astype(np.float32)
    return smooth + torch.from_numpy(grain).to(image.device)
