"""The residual: the dream minus the frame it was dreamt on, carried from frame to frame.

It moves with the picture (livedream.vision.flow), fades by the persistence, and is held in bounds softly.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image

Residual = Array  # float32 (h, w, 3), levels of 255

#: Difference, in levels, between the picture and its motion-compensated predecessor that says nothing; and
#: how much more it is where half of the residual is dropped: the flow has failed there, or something new has
#: come into view.
_USUAL_LEVELS, _SURPRISE_LEVELS = 6.0, 40.0
#: A picture with less contrast than this has no structure.
_NOISE_LEVELS = 6.0
_THUMBNAIL = (32, 18)


def flow_confidence(now: Image, before_warped: Image) -> Array:
    """How much of the residual to keep at each pixel, (h, w) in 0..1: 1 where the flow explains ``now``."""
    error = cv2.blur(cv2.absdiff(now, before_warped).astype(np.float32), (9, 9))
    error = np.maximum(error - _USUAL_LEVELS, 0) / _SURPRISE_LEVELS
    keep: Array = 1.0 / (1.0 + error * error)
    return keep


def scene_similarity(now: Image, before: Image) -> float:
    """Whether two grey pictures show one scene, 1, or another after a cut, 0: by the structure of thumbnails.

    A change of exposure is no other scene, and neither is darkness with its noise.
    """
    a, b = (
        cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        for grey in (now, before)
    )
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    structure = (covariance + _NOISE_LEVELS**2) / (a.std() * b.std() + _NOISE_LEVELS**2)
    return float(np.clip(structure / 0.3, 0.0, 1.0))


def soft_limit(residual: Residual, limit: float) -> Residual:
    """``residual`` held within ±``limit`` levels: untouched up to half of it, bent beyond, never past it."""
    knee = np.float32(limit / 2)
    held: Residual = np.clip(residual, -knee, knee)
    beyond = residual - held
    beyond /= 1 + np.abs(beyond) / knee
    held += beyond
    return held


def within_range(residual: Residual, frame: Image) -> Residual:
    """``residual`` drawn back where it takes ``frame`` to black or white: a guard against saturation.

    Repeated in each tick, it leaves a dream some room on both sides. What is black or white in the frame
    itself stays so.
    """
    dreamt = cv2.add(frame, residual, dtype=cv2.CV_8U)
    return cv2.multiply(residual, cv2.LUT(dreamt, _DRAWN_BACK))


def _drawn_back() -> Array:
    """What is kept of a residual at each level (0..255) that it leads to."""
    to_end = np.minimum(np.arange(256), np.arange(255, -1, -1)).astype(np.float32)
    kept: Array = 1 - _MOST_DRAWN_BACK * np.clip(1 - to_end / _END_LEVELS, 0, 1) ** 2
    return kept


#: So near to black and white a residual is drawn back, at the end by this share in each tick.
_END_LEVELS, _MOST_DRAWN_BACK = 24.0, 0.3
_DRAWN_BACK = _drawn_back().astype(np.float32)
