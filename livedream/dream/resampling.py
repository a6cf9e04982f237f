"""A dream at another working size: as strong as before, and in the same place."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image, resize

#: Up to this ratio Lanczos' kernel shrinks a dream sharply and hardly aliased; beyond it pixels are averaged.
_SHARPLY = 2.0
#: What a smaller size cannot show is made up for by at most this.
_MOST_GAIN = 1.25
#: Working sizes whose aspects differ by less than this show the same part of the image: their sides are even.
_SAME_ASPECT = 0.03


def resampled(array: Array, width: int, height: int) -> Array:
    """``array`` (h, w, 3), a residual or a momentum, at (width, height) and with the same rms."""
    if array.shape[:2] == (height, width):
        return array
    shrinks = max(array.shape[0] / height, array.shape[1] / width)
    method = cv2.INTER_AREA if shrinks > _SHARPLY else cv2.INTER_LANCZOS4
    found = cv2.resize(array, (width, height), interpolation=method)
    before, after = (cv2.norm(a) / a.size**0.5 for a in (array, found))
    gain = min(_MOST_GAIN, before / after) if after else 1.0
    return np.asarray(found * np.float32(gain))


def same_view(frame: Image, width: int, height: int) -> Image | None:
    """``frame``, RGB uint8, at (width, height); None when that shows another part of the image."""
    before_height, before_width = frame.shape[:2]
    if abs(width * before_height / (height * before_width) - 1) > _SAME_ASPECT:
        return None
    return np.asarray(resize(frame, width, height), np.uint8)
