"""Makes the contours of an upscaled dream steep, so that it does not lie softly over a sharp camera.

Every pixel is taken from a little farther away from the contour that it is close to: contours get narrow, and
what is between them gets even. No value is made up, so there are no halos, and grain is not amplified.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from livedream.frame import Array, Image
from livedream.stage.colours import LUMA

#: A slope of so many levels per pixel counts half as a contour, ...
SLOPE_LEVELS = 12.0
#: ... and pixels are taken from so many pixels away per slope of that, but at most ...
REACH_PX, MOST_PX = 6.0, 0.6
#: ... on a grid whose pixels are at most so many pixels of the picture.
GRID_PX = 4
#: A layer is not bent that is enlarged by less than this.
_LEAST = 1.5
#: The Gaussian by which contours are smoothed, in pixels.
SMOOTH_PX = 1.0


def grid_scale(width: int, picture_width: int) -> int:
    """How often a layer of this width is enlarged for bending; 0: it need not be bent."""
    if picture_width < _LEAST * width:
        return 0
    return math.ceil(picture_width / (GRID_PX * width))


def bend(layer: Array, scale: int) -> Array:
    """Where in ``layer`` (h, w, 3) to take each pixel from when it is enlarged by ``scale``.

    (h·scale, w·scale, 2): x and y in pixels of the enlarged layer.
    """
    height, width = layer.shape[:2]
    grey = cv2.transform(layer, LUMA[None])
    contour: Array = cv2.magnitude(_slope(grey, 1, 0), _slope(grey, 0, 1))
    contour /= contour + np.float32(SLOPE_LEVELS)
    contour = cv2.GaussianBlur(contour, (5, 5), SMOOTH_PX)
    away: Array = cv2.merge([_slope(contour, 1, 0), _slope(contour, 0, 1)])
    away *= np.float32(-REACH_PX)
    np.clip(away, -MOST_PX, MOST_PX, out=away)
    places = cv2.scaleAdd(away, scale, _places(height, width, scale), dst=away)
    return cv2.resize(places, (width * scale, height * scale), interpolation=cv2.INTER_LINEAR)


def bent(small: Image, weight: Image | None, places: Array, scale: int) -> tuple[Image, Image | None]:
    """``small`` (h, w, 3) and ``weight`` (h, w), uint8, enlarged by ``scale``, each pixel from its place."""
    size = small.shape[1] * scale, small.shape[0] * scale
    layers = cv2.cvtColor(small, cv2.COLOR_RGB2RGBA)  # four channels are moved in half the time of three
    if weight is not None:
        layers[..., 3] = weight
    if scale > 1:
        layers = cv2.resize(layers, size, interpolation=cv2.INTER_CUBIC)
    layers = cv2.remap(layers, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    large = np.asarray(cv2.cvtColor(layers, cv2.COLOR_RGBA2RGB), np.uint8)
    return large, None if weight is None else np.asarray(cv2.extractChannel(layers, 3), np.uint8)


def _slope(array: Array, right: int, down: int) -> Array:
    return cv2.Sobel(array, cv2.CV_32F, right, down, scale=1 / 8)


@functools.lru_cache(maxsize=4)
def _places(height: int, width: int, scale: int) -> Array:
    """The (x, y) of each pixel in the same image, ``scale`` times as large."""
    places = np.indices((height, width), np.float32)[::-1].transpose(1, 2, 0) * scale + (scale - 1) / 2
    return np.ascontiguousarray(places, np.float32)
