"""Gradient shaping: what a step's direction is made of, fine or coarse, grey or colourful.

Sources: google/deepdream and the TensorFlow DeepDream tutorial (Laplacian pyramid normalisation);
tensorflow/lucid, ``optvis/param/color.py`` (decorrelated colours).
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.dream.bands import enlarged, halved
from livedream.frame import Array

#: The covariance of natural images' colours (lucid's square root of it times its transpose, divided by the
#: largest entry): multiplied by it, a gradient prefers colours that occur together in nature.
NATURAL = np.array(
    [
        [0.9292, 0.8449, 0.7656],
        [0.8449, 0.9206, 0.8718],
        [0.7656, 0.8718, 1.0000],
    ],
    np.float32,
)
#: A colour minus its own grey.
_WITHOUT_GREY = np.eye(3, dtype=np.float32) - np.float32(1 / 3)
LEVELS = 3


def shaped(direction: Array, shaping: str, strokes: float = 0.0, size: float = 1.0) -> Array:
    """``direction``, float32 (h, w, 3) of mean absolute value 1, shaped (``none``, ``smooth``, ``laplacian``,
    ``colour``), of mean absolute value ``size``.

    ``strokes`` (0 to 1) is how much of it comes from layers that see only strokes.
    """
    if shaping == "none":
        return direction if size == 1 else direction * np.float32(size)
    if shaping == "smooth":
        direction = _smooth(direction)
    elif shaping == "laplacian":
        if strokes > 0:
            direction = cv2.scaleAdd(_coarse_colours(direction), -strokes, direction)
        direction = _balanced(direction, LEVELS)
    else:
        direction = cv2.transform(direction, NATURAL)
    return direction * np.float32(size / max(1e-12, cv2.norm(direction, cv2.NORM_L1) / direction.size))


def _coarse_colours(x: Array) -> Array:
    """The colours of ``x`` without the finest. A layer of strokes says little about them, and always the
    same: balanced with the rest they would paint a plain wall pink and green."""
    return enlarged(cv2.transform(halved(x), _WITHOUT_GREY), x)


def _smooth(x: Array) -> Array:
    """Low-passed by about two pixels."""
    for _ in range(2):
        x = cv2.blur(x, (3, 3), borderType=cv2.BORDER_REPLICATE)
    return x


def _balanced(x: Array, levels: int) -> Array:
    """Each octave of frequencies with the same energy: a Laplacian pyramid, its levels of size 1."""
    if levels == 0 or min(x.shape[:2]) < 8:
        return x * np.float32(1 / max(1e-12, cv2.norm(x) / x.size**0.5))
    low = halved(x)
    fine = cv2.subtract(x, enlarged(low, x))
    lower = enlarged(_balanced(low, levels - 1), x)
    return cv2.scaleAdd(fine, 1 / max(1e-12, cv2.norm(fine) / fine.size**0.5), lower)
