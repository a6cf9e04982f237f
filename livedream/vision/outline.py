"""The outline of a visitor: a mask that ends where the body ends, not somewhere around it."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image, resize

#: Differences from the background, in logarithms, that certainly are the background and certainly a visitor.
_SAME, _OTHER = 0.10, 0.25
#: How certain it must be that a visitor is near.
_NEAR = 0.3
#: Gaps of a body that has the background's brightness there are closed up to this width, in mask pixels.
_GAP_PX = 19
#: The neighbourhood in which an edge of the camera's image attracts one of the mask, and how weak an edge may
#: be: variance of the luminance, 0 to 1.
_EDGE_PX, _EDGE = 4, 0.002
#: The mask's values that certainly are outside and inside after that.
_OUTSIDE, _INSIDE = 0.15, 0.85
_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32) / 255

_GAP = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_GAP_PX, _GAP_PX))
_SPECK = np.ones((3, 3), np.uint8)


def outlined(difference: Array, near: Array) -> Array:
    """Where a visitor is, (h, w) in 0..1, without holes.

    ``difference`` (h, w) is that of each pixel from the background, in logarithms; ``near`` (h, w) in 0..1 is
    a mask that reaches beyond the visitor.
    """
    other = np.clip((difference - _SAME) / (_OTHER - _SAME), 0, 1) * (near > _NEAR)
    sure = cv2.morphologyEx(other.astype(np.float32), cv2.MORPH_OPEN, _SPECK)
    closed = cv2.morphologyEx(sure, cv2.MORPH_CLOSE, _GAP)
    return np.where(_holes(closed > 0.5), np.float32(1), closed)


def _holes(mask: Array) -> Array:
    """Where ``mask`` (h, w) is not, and cannot be reached from the top, the left or the right."""
    outside = np.pad(~mask, ((1, 0), (1, 1)), constant_values=True).astype(np.uint8)
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.asarray(outside[1:, 1:-1] == 1)


def fitted(mask: Array, image: Image) -> Array:
    """``mask`` (h, w) in 0..1 at the size of ``image`` (RGB uint8, (H, W, 3)), its edges moved to those.

    A guided filter (He, Sun and Tang, 2010) with the image's luminance as its guide.
    """
    guide = cv2.transform(image.astype(np.float32), _LUMA)
    large = resize(mask, image.shape[1], image.shape[0]).astype(np.float32)
    guide_mean, mean = _mean(guide), _mean(large)
    slope = (_mean(guide * large) - guide_mean * mean) / (_mean(guide * guide) - guide_mean**2 + _EDGE)
    fit = _mean(slope) * guide + _mean(mean - slope * guide_mean)
    return np.asarray(np.clip((fit - _OUTSIDE) / (_INSIDE - _OUTSIDE), 0, 1), np.float32)


def _mean(array: Array) -> Array:
    return cv2.blur(array, (2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1))
