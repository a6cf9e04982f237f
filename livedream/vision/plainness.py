"""Where an image is plain: a wall, a sheet of paper, the sky."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image

#: Contrast is measured between cells of this size in pixels, which average a sensor's noise away, within
#: windows of so many cells.
_CELL_PX, _WINDOW = 4, (5, 5)
#: Contrast in levels that means nothing.
_NOISE_LEVELS = 0.5


def plainness(grey: Image) -> Array:
    """How plain a grey image (h, w) is around each pixel, compared with the rest of it: float32 (h, w).

    1 without any contrast, 0 with as much as the image has in the mean, or more. So a sky of soft clouds is
    not plain, but a wall behind a visitor is.
    """
    height, width = grey.shape
    cells = max(1, width // _CELL_PX), max(1, height // _CELL_PX)
    small = cv2.resize(grey, cells, interpolation=cv2.INTER_AREA).astype(np.float32)
    contrast = cv2.blur(cv2.absdiff(small, cv2.blur(small, _WINDOW)), _WINDOW) + np.float32(_NOISE_LEVELS)
    plain: Array = np.maximum(1 - contrast * np.float32(1 / contrast.mean()), 0)
    return cv2.resize(plain, (width, height), interpolation=cv2.INTER_LINEAR)
