"""The residual: the dream minus the frame it was dreamt on, carried from frame to frame.

It moves with the image (livedream.vision.flow), fades with its half-life, and is kept softly within bounds.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.curves import decay
from livedream.frame import Array, Image
from livedream.vision.flow import Flow

Residual = Array  # float32 (h, w, 3), levels of 255

#: A difference up to the first, in levels, between the image and its motion-compensated predecessor means
#: nothing. Where it exceeds that by the second, half of the residual is dropped: either the flow has failed
#: there, or something new has come into view.
_USUAL_LEVELS, _SURPRISE_LEVELS = 6.0, 40.0
#: An image with less contrast than this has no structure.
_NOISE_LEVELS = 6.0
_THUMBNAIL = (32, 18)
#: How fast an excess of half the limit beyond its soft part shrinks at first.
LIMIT_PER_S = 30.0
#: Levels this close to black or white are drawn back: at the very end with this half-life, and the slower the
#: farther from it.
END_LEVELS, END_HALF_LIFE_S = 24.0, 0.077
#: In a longer tick they are drawn back in several pulls, each from where the last one led: one alone would
#: overshoot.
LONGEST_PULL_S = 1 / 30
#: A dream that a flow stretches along one direction leaves streaks. As far as the first it may be an error of
#: the flow and means nothing; of what is stretched to n times its length, n to the minus second of these is
#: kept.
_USUAL_STRETCH, _STRETCH_POWER = 0.9, 3
#: Stretching is measured in cells of this size in pixels.
_CELL_PX = 4
_FROM_END = np.minimum(np.arange(256), np.arange(255, -1, -1)).astype(np.float32)
_END_PULL: Array = np.clip(1 - _FROM_END / np.float32(END_LEVELS), 0, 1) ** 2


def flow_confidence(now: Image, before_warped: Image) -> Array:
    """How much of the residual to keep at each pixel, (h, w) in 0..1: 1 where the flow explains ``now``."""
    error = cv2.blur(cv2.absdiff(now, before_warped).astype(np.float32), (9, 9))
    error = np.maximum(error - _USUAL_LEVELS, 0) / _SURPRISE_LEVELS
    keep: Array = 1.0 / (1.0 + error * error)
    return keep


def unstretched(flow: Flow) -> Array:
    """How much of the residual to keep at each pixel, (h, w) in 0..1: less where ``flow`` stretches it.

    Between a moving body and a wall that it uncovers a flow is a ramp. It explains the image well, because
    the wall is plain, but it makes a dream into streaks along the motion. A uniform zoom is no stretch.
    """
    height, width = flow.shape[:2]
    cells = max(2, width // _CELL_PX), max(2, height // _CELL_PX)
    small = cv2.blur(cv2.resize(flow, cells, interpolation=cv2.INTER_AREA), (5, 5))
    along, down = (
        cv2.Sobel(small, -1, dx, 1 - dx, ksize=1, scale=n / (2 * side))
        for dx, n, side in ((1, cells[0], width), (0, cells[1], height))
    )
    # The singular values of the map from here to where a pixel was: how densely it samples, and how sparsely.
    turn = np.hypot(2 + along[..., 0] + down[..., 1], down[..., 0] - along[..., 1])
    shear = np.hypot(along[..., 0] - down[..., 1], down[..., 0] + along[..., 1])
    stretch = np.maximum(turn - shear, 0) / np.clip(turn + shear, 1, 2)
    keep = np.minimum(stretch / np.float32(_USUAL_STRETCH), 1) ** _STRETCH_POWER
    return np.asarray(cv2.resize(keep, (width, height), interpolation=cv2.INTER_LINEAR))


def scene_similarity(now: Image, before: Image) -> float:
    """Whether two grey images show the same scene (1) or different ones (0), judged by their thumbnails.

    A change of exposure does not make another scene, and neither does noise in the dark.
    """
    a, b = (
        cv2.resize(grey, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        for grey in (now, before)
    )
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    structure = (covariance + _NOISE_LEVELS**2) / (a.std() * b.std() + _NOISE_LEVELS**2)
    return float(np.clip(structure / 0.3, 0.0, 1.0))


def soft_limit(residual: Residual, limit: float, elapsed_s: float) -> Residual:
    """``residual`` pulled back into ±``limit`` levels: untouched up to half of that, never beyond it.

    The pull works over time: it shrinks an excess ``e`` (in units of half the limit) at the rate ``e²``, so
    ``n`` short ticks do the same as a single long one.
    """
    knee = np.float32(limit / 2)
    held: Residual = np.clip(residual, -knee, knee)
    beyond = residual - held
    pull = np.float32(LIMIT_PER_S * elapsed_s)
    beyond /= 1 + np.abs(beyond) * (pull / knee)
    held += beyond
    return held if pull >= 1 else np.clip(held, -2 * knee, 2 * knee)


def pulls_in(elapsed_s: float) -> int:
    """How often :func:`within_range` pulls in a tick: a power of two, so that odd ticks end in few ways."""
    return 1 << max(0, round(elapsed_s / LONGEST_PULL_S) - 1).bit_length()


def within_range(residual: Residual, frame: Image, elapsed_s: float) -> Residual:
    """``residual`` drawn back where it takes ``frame`` close to black or white: a guard against saturation.

    Applied all the time, it leaves a dream some room at both ends. What is black or white in the frame itself
    stays so.
    """
    pulls = pulls_in(elapsed_s)
    kept = np.float32(decay(END_HALF_LIFE_S, elapsed_s / pulls)) ** _END_PULL
    for _ in range(pulls):
        dreamt = cv2.add(frame, residual, dtype=cv2.CV_8U)
        residual = cv2.multiply(residual, cv2.LUT(dreamt, kept))
    return residual
