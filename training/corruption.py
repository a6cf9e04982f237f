"""What pictures are not: spoilt copies, that have the pictures' colours but not what they show.

A network that learns to tell pictures from their spoilt copies learns what makes them pictures; each way
of corruption takes away something else.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_TILES_PX = (8, 16, 32)
_BLURS_PX = (4, 8, 16)
_NOISE = 0.08  # at most, of the pixel range


def corrupt(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Each of ``pictures`` (B, 3, H, W) in [0, 1], spoilt in one of the ways; same shape."""
    ways = (scatter, scramble, blur)
    return torch.stack([ways[rng.integers(len(ways))](picture, rng) for picture in pictures]).clamp(0.0, 1.0)


def scatter(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Cut into square tiles that change places: the strokes stay, the forms go. (3, H, W)."""
    side = int(rng.choice([px for px in _TILES_PX if 2 * px <= min(picture.shape[1:])] or [1]))
    rows, columns = picture.shape[1] // side, picture.shape[2] // side
    inner = picture[:, : rows * side, : columns * side]
    tiles = inner.reshape(3, rows, side, columns, side).permute(1, 3, 0, 2, 4).flatten(0, 1)
    tiles = tiles[torch.from_numpy(rng.permutation(len(tiles)))]
    spoilt = picture.clone()
    moved = tiles.reshape(rows, columns, 3, side, side).permute(2, 0, 3, 1, 4)
    spoilt[:, : rows * side, : columns * side] = moved.reshape(inner.shape)
    return spoilt


def scramble(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Another phase for every frequency: the spectrum stays, and clouds are left. (3, H, W)."""
    height, width = picture.shape[1:]
    noise = torch.from_numpy(rng.random((height, width)).astype(np.float32)).to(picture.device)
    phase = torch.fft.rfft2(noise)
    phase = phase / phase.abs().clamp_min(1e-9)
    phase[0, 0] = 1.0
    spoilt: Tensor = torch.fft.irfft2(torch.fft.rfft2(picture) * phase, s=(height, width))
    return spoilt


def blur(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Coarse blotches under a little noise: the colours stay, the strokes go. (3, H, W)."""
    blotches = F.avg_pool2d(picture[None], int(rng.choice(_BLURS_PX)))
    smooth = F.interpolate(blotches, picture.shape[1:], mode="bicubic", align_corners=False)[0]
    grain = rng.normal(0.0, rng.uniform(0.0, _NOISE), picture.shape).astype(np.float32)
    return smooth + torch.from_numpy(grain).to(picture.device)
