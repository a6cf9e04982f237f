"""Gradient ascent on an image: octaves, jitter, one step, and the classic loop.

Source: google/deepdream, dream.ipynb (``make_step``, ``deepdream``), 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from livedream.frame import SMALLEST_SIDE_PX, Array, Image

#: 1 / g and 1 / g², where g³ = g + 1.
_EVENLY = 1.32471795724474602596 ** -np.array([1.0, 2.0])

#: From an image, float32 (h, w, 3) in [0, 1], to a direction of mean absolute value 1 and of the same shape.
Gradient = Callable[[Array], Array]


def octave_size(height: int, width: int, octave: int, scale: float) -> tuple[int, int]:
    """(height, width) of octave number ``octave`` (0 is the full size) of an image.

    The shorter side is never below ``SMALLEST_SIDE_PX``, or the image's own.
    """
    factor = max(scale**-octave, min(1.0, SMALLEST_SIDE_PX / min(height, width)))
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(x: Array, size: tuple[int, int]) -> Array:
    """``x`` (h, w, 3) at ``size`` (height, width); bilinear, averaged where it shrinks."""
    if x.shape[:2] == size:
        return x
    method = cv2.INTER_AREA if size[0] < x.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(x, size[::-1], interpolation=method)


def quickly_resized(x: Array, size: tuple[int, int]) -> Array:
    """As :func:`resized`, but up to half the size bilinear, which misses nothing and is four times faster."""
    if x.shape[:2] == size:
        return x
    method = cv2.INTER_AREA if x.shape[0] > 2 * size[0] else cv2.INTER_LINEAR
    return cv2.resize(x, size[::-1], interpolation=method)


def random_shift(jitter_px: int, rng: np.random.Generator) -> tuple[int, int]:
    """A random (rows, columns) shift, each in ±``jitter_px``."""
    rows, columns = rng.integers(-jitter_px, jitter_px + 1, 2).tolist()
    return rows, columns


def even_shift(jitter_px: int, number: int, start: tuple[float, float]) -> tuple[int, int]:
    """Shift ``number`` (rows, columns), in ±``jitter_px``, of a sequence that covers them all evenly.

    Its mean has less noise than that of random shifts. ``start`` is any point in [0, 1)². Source: Martin
    Roberts, "The Unreasonable Effectiveness of Quasirandom Sequences", 2018 (R2).
    """
    points = (np.array(start) + number * _EVENLY) % 1
    rows, columns = (np.floor(points * (2 * jitter_px + 1)) - jitter_px).astype(int).tolist()
    return rows, columns


def rolled(x: Array, rows: int, columns: int) -> Array:
    """``x`` (h, w, 3) moved down by ``rows`` and right by ``columns``; what leaves it comes in opposite.

    The same as ``np.roll``, in fewer copies.
    """
    height, width = x.shape[:2]
    down, right = rows % height, columns % width
    moved = np.empty_like(x)
    moved[down:, right:] = x[: height - down, : width - right]
    moved[down:, :right] = x[: height - down, width - right :]
    moved[:down, right:] = x[height - down :, : width - right]
    moved[:down, :right] = x[height - down :, width - right :]
    return moved


def jittered(gradient: Gradient, image: Array, shift: tuple[int, int]) -> Array:
    """The gradient of the image rolled by ``shift`` (rows, columns), rolled back exactly."""
    rows, columns = shift
    if rows == columns == 0:
        return gradient(image)
    return rolled(gradient(rolled(image, rows, columns)), -rows, -columns)


@dataclass(frozen=True)
class PlannedStep:
    """One step: at which octave's ``size`` (height, width), under which ``shift`` (rows, columns), and how
    far it ``reach``es: the mean absolute value of its direction."""

    size: tuple[int, int]
    shift: tuple[int, int]
    reach: float


def in_range(frame: Image, residual: Array) -> Array:
    """What a network sees of a frame (RGB uint8) and its residual in levels of 255: float32, about [0, 1]."""
    return cv2.add(frame, residual, dtype=cv2.CV_32F) * np.float32(1 / 255)


def ascend(
    frame: Image,
    residual: Array,
    momentum: Array,
    steps: Iterable[PlannedStep],
    gradient: Gradient,
    shape: Callable[[Array, float], Array],
    *,
    lengths: Array,
    kept: Array,
) -> tuple[Array, Array]:
    """The residual and the momentum (h, w, 3) after ``steps`` on ``frame``, RGB uint8 (h, w, 3).

    ``shape(direction, size)`` gives the direction another shape, and the mean absolute value ``size``. The
    maps (h, w) are ``lengths``, how far a direction of 1 moves a pixel, in levels of 255, and ``kept``, the
    fraction of the momentum that a step keeps.
    """
    height, width = frame.shape[:2]
    base = frame * np.float32(1 / 255)
    x: Array = cv2.scaleAdd(residual, 1 / 255, base)
    length: Array = cv2.merge([lengths, lengths, lengths])
    length *= np.float32(1 / 255)
    taken = 1 - kept
    for step in steps:
        direction = jittered(gradient, quickly_resized(x, step.size), step.shift)
        direction = quickly_resized(shape(direction, step.reach), (height, width))
        momentum = cv2.blendLinear(direction, momentum, taken, kept)
        x += length * momentum
    dreamt: Array = cv2.subtract(x, base)
    dreamt *= np.float32(255)
    return dreamt, momentum


def classic_dream(
    image: Array,
    gradient: Gradient,
    rng: np.random.Generator,
    *,
    octaves: int = 4,
    octave_scale: float = 1.4,
    iterations: int = 10,
    step_size: float = 1.5,
    jitter_px: int = 32,
    progress: Callable[[], object] = lambda: None,
) -> Array:
    """The original algorithm: from the smallest octave up, each passing only its *detail* to the next.

    ``image`` is float32 (h, w, 3) in [0, 1], and so is the result; ``step_size`` is in levels of 255.
    ``progress`` is called after each of the ``octaves * iterations`` steps.
    """
    height, width = image.shape[:2]
    step = np.float32(step_size / 255)
    detail = np.zeros_like(image)
    for octave in reversed(range(octaves)):
        size = octave_size(height, width, octave, octave_scale)
        base = resized(image, size)
        x = base + resized(detail, size)
        for _ in range(iterations):
            x = x + step * jittered(gradient, x, random_shift(jitter_px, rng))
            np.clip(x, 0.0, 1.0, out=x)
            progress()
        detail = x - base
    dreamt: Array = np.clip(image + detail, 0.0, 1.0)
    return dreamt


def classic_picture(
    picture: Image, gradient: Gradient, seed: int, progress: Callable[[], object] = lambda: None
) -> Image:
    """:func:`classic_dream` of a picture, RGB uint8 in and out; the same ``seed`` gives the same."""
    image, rng = picture.astype(np.float32) / 255, np.random.default_rng(seed)
    return np.asarray((classic_dream(image, gradient, rng, progress=progress) * 255).round(), np.uint8)
