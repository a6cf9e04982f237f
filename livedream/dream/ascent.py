"""Gradient ascent on an image: octaves, jitter, one step, and the classic loop.

Source: google/deepdream, dream.ipynb (``make_step``, ``deepdream``), 2015.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from livedream.frame import SMALLEST_SIDE_PX

#: 1 / g and 1 / g², where g³ = g + 1.
_EVENLY = 1.32471795724474602596 ** -np.array([1.0, 2.0])

Gradient = Callable[[Tensor], Tensor]  # image (1, 3, H, W) in [0, 1] -> normalised direction, same shape


def octave_size(height: int, width: int, octave: int, scale: float) -> tuple[int, int]:
    """(height, width) of octave number ``octave`` (0 is the full size) of an image.

    The shorter side is never below ``SMALLEST_SIDE_PX``, or the image's own.
    """
    factor = max(scale**-octave, min(1.0, SMALLEST_SIDE_PX / min(height, width)))
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``x`` (1, C, H, W) at ``size`` (height, width), bilinear, antialiased when it shrinks."""
    if tuple(x.shape[-2:]) == size:
        return x
    return interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=size[0] < x.shape[-2])


def quickly_resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """As :func:`resized`, for a single image; on a CPU with OpenCV, less smooth and twenty times faster."""
    if x.device.type != "cpu" or tuple(x.shape[-2:]) == size:
        return resized(x, size)
    array = np.ascontiguousarray(x[0].permute(1, 2, 0).numpy())
    # Up to half the size, bilinear sampling misses nothing.
    method = cv2.INTER_AREA if x.shape[-2] > 2 * size[0] else cv2.INTER_LINEAR
    return torch.from_numpy(cv2.resize(array, size[::-1], interpolation=method)).permute(2, 0, 1)[None]


def random_shift(jitter_px: int, generator: torch.Generator) -> tuple[int, int]:
    """A random (rows, columns) shift, each in ±``jitter_px``."""
    if jitter_px == 0:
        return 0, 0
    rows, columns = torch.randint(-jitter_px, jitter_px + 1, (2,), generator=generator).tolist()
    return rows, columns


def even_shift(jitter_px: int, number: int, start: tuple[float, float]) -> tuple[int, int]:
    """Shift ``number`` (rows, columns), in ±``jitter_px``, of a sequence that covers them all evenly.

    Its mean has less noise than that of random shifts. ``start`` is any point in [0, 1)². Source: Martin
    Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences", 2018 (R2).
    """
    points = (np.array(start) + number * _EVENLY) % 1
    rows, columns = (np.floor(points * (2 * jitter_px + 1)) - jitter_px).astype(int).tolist()
    return rows, columns


def jittered(gradient: Gradient, image: Tensor, shift: tuple[int, int]) -> Tensor:
    """The gradient of the image rolled by ``shift`` (rows, columns), rolled back exactly."""
    rows, columns = shift
    if rows == columns == 0:
        return gradient(image)
    return _rolled(gradient(_rolled(image, rows, columns)), -rows, -columns)


def _rolled(x: Tensor, rows: int, columns: int) -> Tensor:
    """``x`` rolled, with channels last in memory, as networks and OpenCV prefer."""
    return x.permute(0, 2, 3, 1).roll((rows, columns), (1, 2)).permute(0, 3, 1, 2)


def classic_dream(
    image: Tensor,
    gradient: Gradient,
    generator: torch.Generator,
    *,
    octaves: int = 4,
    octave_scale: float = 1.4,
    iterations: int = 10,
    step_size: float = 1.5,
    jitter_px: int = 32,
    progress: Callable[[], object] = lambda: None,
) -> Tensor:
    """The original algorithm: from the smallest octave up, each passing only its *detail* to the next.

    ``image`` is (B, 3, H, W) in [0, 1], and so is the result; ``step_size`` is in levels of 255.
    ``progress`` is called after each of the ``octaves * iterations`` steps.
    """
    height, width = image.shape[-2:]
    detail = torch.zeros_like(image)
    for octave in reversed(range(octaves)):
        size = octave_size(height, width, octave, octave_scale)
        base = resized(image, size)
        x = base + resized(detail, size)
        for _ in range(iterations):
            direction = jittered(gradient, x, random_shift(jitter_px, generator))
            x = (x + step_size / 255 * direction).clamp(0.0, 1.0)
            progress()
        detail = x - base
    return (image + detail).clamp(0.0, 1.0)
