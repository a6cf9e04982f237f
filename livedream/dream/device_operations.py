"""What the tick does to images, on a device's tensors, and with OpenCV's results.

All images are (1, C, h, w) float32. Nothing here waits for the device, and every shape follows from the
arguments' shapes, so that a CUDA graph can record it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

from livedream.dream.feedback import WASH_GRID
from livedream.dream.residual import END_LEVELS
from livedream.dream.shaping import LEVELS, NATURAL
from livedream.frame import Array

#: An image whose shorter side is smaller is not split into frequencies any further.
_SMALLEST_LEVEL_PX = 8


def area_matrix(n: int, m: int) -> Array:
    """(m, n): the averages over ``m`` equal parts of ``n`` pixels, as OpenCV's ``INTER_AREA`` takes them."""
    edges = np.arange(m + 1) * (n / m)
    pixels = np.arange(n)
    low = np.maximum(edges[:-1, None], pixels[None])
    high = np.minimum(edges[1:, None], pixels[None] + 1)
    matrix: Array = (np.maximum(high - low, 0) * (m / n)).astype(np.float32)
    return matrix


class Areas:
    """The matrices of :func:`area_matrix` on a device, made at their first use: a CUDA graph reads them."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], Tensor] = {}

    def __call__(self, n: int, m: int, device: torch.device) -> Tensor:
        """The matrix from ``n`` pixels to ``m``."""
        if (n, m) not in self._made:
            self._made[n, m] = torch.from_numpy(area_matrix(n, m)).to(device)
        return self._made[n, m]


def averaged(x: Tensor, size: tuple[int, int], areas: Areas) -> Tensor:
    """``x`` at a smaller ``size`` (height, width), each pixel the mean of what it covers."""
    height, width = x.shape[-2:]
    if (height, width) == (2 * size[0], 2 * size[1]):
        return avg_pool2d(x, 2)
    rows, columns = areas(height, size[0], x.device), areas(width, size[1], x.device)
    return rows @ (x @ columns.T)


def enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``x`` at ``size`` (height, width), bilinear."""
    if tuple(x.shape[-2:]) == size:
        return x
    return interpolate(x, size=size, mode="bilinear", align_corners=False)


def resized(x: Tensor, size: tuple[int, int], areas: Areas) -> Tensor:
    """``x`` at ``size``, as :func:`livedream.dream.ascent.quickly_resized` does it."""
    return averaged(x, size, areas) if x.shape[-2] > 2 * size[0] else enlarged(x, size)


def rolled(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``x`` rolled by ``rows`` and ``columns``, scalars on the device: they may differ in every run."""
    height, width = x.shape[-2:]
    y = (torch.arange(height, device=x.device) - rows) % height
    x_ = (torch.arange(width, device=x.device) - columns) % width
    return x.permute(0, 2, 3, 1)[:, y[:, None], x_[None]].permute(0, 3, 1, 2)


def warped(x: Tensor, flow: Tensor, sharp: int, cubic_share: Tensor) -> Tensor:
    """Each pixel of ``x`` sampled at its offset in ``flow`` (1, 2, h, w) px; reflected at the edges.

    The first ``sharp`` channels are warped as by :func:`livedream.vision.flow.warp_sharply`.
    """
    height, width = x.shape[-2:]
    here = [torch.arange(n, dtype=torch.float32, device=x.device) for n in (width, height)]
    across = (here[0] + flow[:, 0]) * (2 / max(1, width - 1)) - 1
    down = (here[1][:, None] + flow[:, 1]) * (2 / max(1, height - 1)) - 1
    origin = torch.stack([across, down], 3)
    linear, cubic = (
        grid_sample(part, origin, mode=mode, padding_mode="reflection", align_corners=True)
        for part, mode in ((x, "bilinear"), (x[:, :sharp], "bicubic"))
    )
    return torch.cat([torch.lerp(linear[:, :sharp], cubic, cubic_share), linear[:, sharp:]], 1)


def halved(x: Tensor, areas: Areas) -> Tensor:
    """See :func:`livedream.dream.bands.halved`."""
    return averaged(x, ((x.shape[-2] + 1) // 2, (x.shape[-1] + 1) // 2), areas)


def scaled_by_band(x: Tensor, gains: Sequence[Tensor], areas: Areas, known: Tensor | None = None) -> Tensor:
    """See :func:`livedream.dream.bands.scaled_by_band`; without ``known`` times ``x``, which is known."""
    found = x * (gains[0] if known is None else gains[0] - known)
    if len(gains) == 1:
        return found
    coarser = scaled_by_band(halved(x, areas), gains[1:], areas, gains[0])
    return found + enlarged(coarser, (x.shape[-2], x.shape[-1]))


def washes(x: Tensor, areas: Areas) -> Tensor:
    """The slow part of an image's colours: everything larger than a cell of a grid of 16×9."""
    return enlarged(averaged(x, WASH_GRID[::-1], areas), (x.shape[-2], x.shape[-1]))


def soft_limit(residual: Tensor, knee: Tensor, pull: Tensor) -> Tensor:
    """See :func:`livedream.dream.residual.soft_limit`; ``knee`` is half of the limit."""
    held = torch.clamp(residual, -knee, knee)
    beyond = residual - held
    held = held + beyond / (1 + beyond.abs() * (pull / knee))
    return torch.clamp(held, -2 * knee, 2 * knee)


def within_range(residual: Tensor, frame: Tensor, kept: Tensor, pulls: int) -> Tensor:
    """See :func:`livedream.dream.residual.within_range`; ``kept`` is what is left of black in each pull."""
    for _ in range(pulls):
        dreamt = (frame + residual).round().clamp(0, 255)
        from_end = torch.minimum(dreamt, 255 - dreamt)
        residual = residual * kept ** (1 - from_end / END_LEVELS).clamp_min(0).square()
    return residual


# --- gradient shaping: see livedream.dream.shaping


def shaped(direction: Tensor, shaping: str, strokes: Tensor | None, areas: Areas) -> Tensor:
    """``direction`` shaped, of mean size 1; ``strokes`` is a scalar, None without layers of strokes."""
    if shaping == "none":
        return direction
    if shaping == "laplacian":
        if strokes is not None:
            direction = direction - strokes * _coarse_colours(direction, areas)
        direction = _balanced(direction, LEVELS, areas)
    elif shaping == "smooth":
        for _ in range(2):
            direction = avg_pool2d(pad(direction, (1, 1, 1, 1), "replicate"), 3, 1)
    else:
        direction = torch.einsum("ij,bjhw->bihw", _natural(direction.device), direction)
    return direction / direction.abs().mean().clamp_min(1e-12)


@functools.lru_cache(maxsize=8)
def _natural(device: torch.device) -> Tensor:
    return torch.tensor(np.asarray(NATURAL, np.float32), device=device)


def _coarse_colours(x: Tensor, areas: Areas) -> Tensor:
    low = halved(x, areas)
    return enlarged(low - low.mean(1, keepdim=True), (x.shape[-2], x.shape[-1]))


def _balanced(x: Tensor, levels: int, areas: Areas) -> Tensor:
    height, width = x.shape[-2:]
    if levels == 0 or min(height, width) < _SMALLEST_LEVEL_PX:
        return _unit(x)
    low = halved(x, areas)
    fine = _unit(x - enlarged(low, (height, width)))
    return fine + enlarged(_balanced(low, levels - 1, areas), (height, width))


def _unit(x: Tensor) -> Tensor:
    return x / x.square().mean().sqrt().clamp_min(1e-12)
