"""A frame, the data type that all parts of the mirror exchange, and sizes and crops of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # RGB, (H, W, 3), contiguous
Array = NDArray[Any]

#: Sources scale larger frames down: a slot holds at most one 4K frame.
MAX_FRAME_BYTES = 3840 * 2160 * 3

#: The smallest image a network can use: in less, a layer of stride 32 would not have a whole cell.
SMALLEST_SIDE_PX = 48
#: The largest side of the working size.
LARGEST_SIDE_PX = 1280
#: The longer side of the working size where ``auto`` has nothing to go by.
USUAL_PX = 320


@dataclass(frozen=True)
class Frame:
    """One captured frame.

    ``image`` is RGB uint8 (H, W, 3); ``index`` counts from 0 within one source and never goes back;
    ``time_s`` is the capture time on the monotonic clock, in seconds.
    """

    image: Image
    index: int
    time_s: float


@dataclass(frozen=True)
class Turn:
    """How a screen hangs: pictures are turned over (left to right, top to bottom), then turned clockwise by
    ``rotate``: 0, 90, 180 or 270 degrees."""

    rotate: int = 0
    flip_x: bool = False
    flip_y: bool = False


def crop_to_aspect(image: Array, aspect: float | None) -> Array:
    """The largest centred crop of ``image`` (H, W, …) with this width / height, as a view.

    ``None`` keeps the whole image.
    """
    height, width = image.shape[:2]
    if aspect is None:
        return image
    if width > height * aspect:
        new_width = max(1, round(height * aspect))
        left = (width - new_width) // 2
        return image[:, left : left + new_width]
    new_height = max(1, round(width / aspect))
    top = (height - new_height) // 2
    return image[top : top + new_height]


def working_size(width: int, height: int, longer_px: int) -> tuple[int, int]:
    """(width, height) of this aspect with ``longer_px`` pixels on the longer side, both even.

    0, a working size of ``auto``, is :data:`USUAL_PX`.
    Both are at least :data:`SMALLEST_SIDE_PX`, which makes very elongated frames larger than ``longer_px``.
    """
    scale = max((longer_px or USUAL_PX) / max(width, height), SMALLEST_SIDE_PX / min(width, height))

    def even(side: int) -> int:
        return max(SMALLEST_SIDE_PX, min(LARGEST_SIDE_PX, 2 * round(side * scale / 2)))

    return even(width), even(height)


def resize(image: Array, width: int, height: int) -> Array:
    """``image`` at (width, height): averaged when it shrinks, bicubic when it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] > height or image.shape[1] > width
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
