"""From RGB to the planes of a video, in the colours that players expect for its size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livedream.frame import Array, Image, resize

LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG


@dataclass(frozen=True)
class Standard:
    """How colours are written, with FFmpeg's numbers for it; see ITU-T H.273."""

    name: str
    matrix: int
    primaries: int
    transfer: int


#: The picture is sRGB, whose primaries are those of BT.709.
BT709 = Standard("BT.709", matrix=1, primaries=1, transfer=1)
BT601 = Standard("BT.601", matrix=6, primaries=1, transfer=1)

_RED, _BLUE = 0.2126, 0.0722  # of BT.709's luma


def standard_of(width: int, height: int) -> Standard:
    """BT.709 for HD, BT.601 below: what players also assume where a file does not say it."""
    return BT709 if width >= 1280 or height > 576 else BT601


def to_i420(image: Image, standard: Standard) -> Array:
    """The planes (H·3/2, W) of an RGB picture (H, W, 3) with even sides, in limited range."""
    if standard.matrix == BT601.matrix:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)  # OpenCV's only one
    height, width = image.shape[:2]
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = cv2.transform(image, _LUMA)
    chroma = cv2.transform(resize(image, width // 2, height // 2), _CHROMA)
    planes[height:] = np.moveaxis(chroma, 2, 0).reshape(height // 2, width)
    return planes


def to_nv12(planes: Array) -> Array:
    """The same planes with both colours in one, by turns, as hardware likes them."""
    height = planes.shape[0] * 2 // 3
    nv12 = planes.copy()
    nv12[height:] = planes[height:].reshape(2, -1).T.reshape(height // 2, -1)
    return nv12


def fitted(image: Image, width: int, height: int) -> Image:
    """``image`` at (width, height): odd pixels cropped, otherwise scaled to fit, with black borders."""
    if abs(image.shape[0] - height) < 2 and abs(image.shape[1] - width) < 2:
        return np.ascontiguousarray(resize(image[:height, :width], width, height))
    scale = min(width / image.shape[1], height / image.shape[0])
    across, down = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    whole: Image = np.zeros((height, width, 3), np.uint8)
    left, top = (width - across) // 2, (height - down) // 2
    whole[top : top + down, left : left + across] = resize(image, across, down)
    return whole


def _matrices() -> tuple[Array, Array]:
    """Rows for OpenCV: a weight for red, green and blue, and what is added."""
    luma = np.array([_RED, 1 - _RED - _BLUE, _BLUE])
    blue = (np.array([0, 0, 1]) - luma) / (2 * (1 - _BLUE))
    red = (np.array([1, 0, 0]) - luma) / (2 * (1 - _RED))
    rows = np.stack([luma * 219, blue * 224, red * 224]) / 255
    added = np.array([[16], [128], [128]])
    whole = np.hstack([rows, added]).astype(np.float32)
    return whole[:1], whole[1:]


_LUMA, _CHROMA = _matrices()
