"""Octaves of an image's frequencies, and what they are multiplied by: fine detail and large forms apart."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from livedream.frame import Array


def halved(x: Array) -> Array:
    """``x`` (h, w, 3) at half its size, rounded up: what is left without its finest octave."""
    height, width = x.shape[:2]
    return cv2.resize(x, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)


def enlarged(x: Array, like: Array) -> Array:
    """``x`` (h, w, 3) at the size of ``like``."""
    return cv2.resize(x, like.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def scaled_by_band(x: Array, gains: Sequence[float]) -> Array:
    """``x``, float32 (h, w, 3), each octave of its frequencies times one of ``gains``, the finest first.

    The last gain is that of everything coarser.
    """
    return _scaled(x, gains, 0.0)


def _scaled(x: Array, gains: Sequence[float], known: float) -> Array:
    """What is to be added to ``known`` times ``x``."""
    gain = gains[0] - known
    if len(gains) == 1:
        return np.asarray(x * np.float32(gain))
    return cv2.scaleAdd(x, gain, enlarged(_scaled(halved(x), gains[1:], gains[0]), x))
