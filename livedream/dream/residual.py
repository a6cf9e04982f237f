"""The residual: the dream minus the frame it was dreamt on, carried from frame to frame.

It moves with the picture (livedream.flow), fades by the persistence, and is held in bounds softly.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image

Residual = Array  # float32 (h, w, 3), levels of 255

#: Difference, in levels, between the picture and its motion-compensated predecessor at which half of the
#: residual is dropped: the flow has failed there, or something new has come into view.
_SURPRISE_LEVELS = 40.0


def surprise(now: Image, before_warped: Image) -> Array:
    """How much of the residual to keep at each pixel, (h, w) in 0..1: 1 where the flow explains ``now``."""
    error = cv2.blur(cv2.absdiff(now, before_warped).astype(np.float32), (9, 9)) / _SURPRISE_LEVELS
    keep: Array = 1.0 / (1.0 + error * error)
    return keep


def soft_limit(residual: Residual, limit: float) -> Residual:
    """``residual`` held within ±``limit`` levels: untouched up to half of it, bent beyond, never past it."""
    knee = limit / 2
    size = np.abs(residual)
    if float(size.max(initial=0.0)) <= knee:
        return residual
    bent = knee + knee * np.tanh((size - knee) / knee)
    return np.where(size > knee, np.copysign(bent, residual), residual).astype(np.float32)
