"""The mirror's picture: the newest camera frame with the newest dream laid over it.

The dream process publishes residuals at working size, each belonging to a frame that is already a little
old. Here the residual is moved by the optical flow since that frame, upscaled, and added to the current
frame at full resolution: so the picture is never older than the camera, and never waits for the dream.
"""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np

from livedream.flow import FlowEstimator, grey
from livedream.frame import Array, Image, crop_to_aspect, resize

#: Frames whose grey copies are kept to find the motion since a residual's frame: two seconds at 30 fps.
_REMEMBERED = 64
#: A residual that is older than the first begins to fade, and is gone at the second: the dream process is
#: away, and what it left no longer belongs to the picture.
_STALE_S, _GONE_S = 2.0, 4.0


def picture_size(visible: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a picture shaped like ``visible`` (w, h) that fits ``output`` (w, h), both even."""
    scale = min(output[0] / visible[0], output[1] / visible[1])
    return max(2, 2 * round(visible[0] * scale / 2)), max(2, 2 * round(visible[1] * scale / 2))


def lay_over(image: Image, residual: Array | None, size: tuple[int, int], strength: float) -> Image:
    """``image`` (RGB uint8) at ``size`` (w, h) with ``strength`` times the residual (h, w, 3) added.

    The residual is upscaled bicubically; the sum is held in 0..255.
    """
    picture: Image = np.ascontiguousarray(resize(image, *size))
    if residual is None or strength == 0:
        return picture
    large = resize(residual * np.float32(strength), *size).astype(np.int16)
    return np.asarray(cv2.add(picture, large, dtype=cv2.CV_8U), np.uint8)


def freshness(age_s: float) -> float:
    """How much of a residual of this age to show: 1.0 down to 0.0."""
    return min(1.0, max(0.0, (_GONE_S - age_s) / (_GONE_S - _STALE_S)))


class Composer:
    """Remembers the last frames' grey copies at working size, and moves residuals to the current frame."""

    def __init__(self) -> None:
        self._flow = FlowEstimator()
        self._greys: OrderedDict[int, Image] = OrderedDict()
        self._visible: Image | None = None
        self._index = -1
        self._working = (0, 0)

    def see(self, image: Image, index: int, aspect: float | None) -> None:
        """Take a new camera frame (RGB uint8) and its index; its centre of shape ``aspect`` is shown."""
        self._visible = crop_to_aspect(image, aspect)
        self._index = index
        self._remember()

    def _remember(self) -> None:
        if self._visible is None or self._working == (0, 0):
            return
        self._greys[self._index] = grey(resize(self._visible, *self._working))
        while len(self._greys) > _REMEMBERED:
            self._greys.popitem(last=False)

    def compose(
        self, residual: Array | None, index: int, output: tuple[int, int], *, strength: float, mirror: bool
    ) -> Image | None:
        """The picture for an ``output`` of (w, h), in the shape of what is visible; None before any frame.

        ``residual`` (h, w, 3) belongs to the frame number ``index``.
        """
        visible = self._visible
        if visible is None:
            return None
        size = picture_size((visible.shape[1], visible.shape[0]), output)
        moved = None if residual is None or strength == 0 else self._attach(residual, index)
        picture = lay_over(visible, moved, size, strength)
        return np.asarray(cv2.flip(picture, 1), np.uint8) if mirror else picture

    def _attach(self, residual: Array, index: int) -> Array:
        """``residual`` moved from its own frame to the current one."""
        working = (residual.shape[1], residual.shape[0])
        if working != self._working:  # the first residual, or the working size was changed
            self._working = working
            self._greys.clear()
            self._remember()
        # The dream may have seen a frame that was never shown: the nearest one that was is next to it.
        nearest = min(self._greys, key=lambda known: abs(known - index))
        if nearest == self._index:
            return residual
        return self._flow.warp(residual, self._flow(self._greys[self._index], self._greys[nearest]))
