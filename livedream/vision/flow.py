"""Optical flow between working-size pictures, and moving things along it.

Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016; OpenCV's
DISOpticalFlow), down to half the size of the pictures: at 320×180 one to two milliseconds on one core.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image

Flow = Array  # float32 (h, w, 2), pixels: where each pixel of one picture lay in another, relative

#: What stands still must not be resampled at all: each resampling blurs. So motion is believed only where it
#: is more than the first of these, in pixels, wholly from the second on, ...
_STILL_PX, _MOVING_PX = 0.05, 0.25
#: ... and where it explains the picture better than standing still does: by this share of the difference, in
#: the mean of a window of so many cells, each of so many pixels. Noise alone is explained by a tenth.
_LEAST_GAIN, _FULL_GAIN = 0.15, 0.35
_WINDOW, _CELL_PX = (7, 7), 4
_DESCENT_STEPS, _STRIDE_PX = 6, 5


def grey(image: Image) -> Image:
    """An RGB picture as the grey uint8 (h, w) that optical flow wants."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def believed(flow: Flow, now: Image, before: Image, moved: Image) -> Flow:
    """``flow`` without what is only noise: there it is exactly zero.

    ``now`` and ``before`` are what it was found between, ``moved`` is ``before`` moved along it.
    """
    height, width = flow.shape[:2]
    cells = -(-width // _CELL_PX), -(-height // _CELL_PX)

    def difference(other: Image) -> Array:
        small = cv2.resize(cv2.absdiff(now, other), cells, interpolation=cv2.INTER_AREA)
        return cv2.blur(small.astype(np.float32), _WINDOW)

    still = difference(before)
    gain = (still - difference(moved)) / (still + np.float32(1e-3))
    small = cv2.resize(flow, cells, interpolation=cv2.INTER_AREA)
    belief = _rise(np.hypot(small[..., 0], small[..., 1]), _STILL_PX, _MOVING_PX)
    belief *= _rise(gain, _LEAST_GAIN, _FULL_GAIN)
    small *= belief[..., None]
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _rise(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``."""
    share: Array = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return share


class FlowEstimator:
    """Optical flow between grey pictures. Holds OpenCV's work space; not for several threads."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(1)
        self._dis.setGradientDescentIterations(_DESCENT_STEPS)
        self._dis.setPatchStride(_STRIDE_PX)
        self._here = np.zeros((0, 0, 2), np.float32)  # each pixel's own (x, y)

    def __call__(self, now: Image, before: Image) -> Flow:
        """Where each pixel of ``now`` lay in ``before``, relative, in pixels (h, w, 2); both are grey (h, w).

        What stands still has exactly zero, also when the camera is noisy.
        """
        zero = np.zeros((*now.shape, 2), np.float32)
        if min(now.shape) < 16 or np.array_equal(now, before):  # DIS has no coarser scale to start from
            return zero
        smooth_now, smooth_before = (np.asarray(cv2.blur(grey, (3, 3)), np.uint8) for grey in (now, before))
        flow: Flow = self._dis.calc(smooth_now, smooth_before, zero)
        return believed(flow, smooth_now, smooth_before, self.warp(smooth_before, flow))

    def warp(self, array: Array, flow: Flow) -> Array:
        """``array`` (h, w, …) moved along: each pixel is taken from where ``flow`` says that it was."""
        if self._here.shape != flow.shape:
            self._here = np.indices(flow.shape[:2], np.float32)[::-1].transpose(1, 2, 0).copy()
        origin = cv2.add(self._here, flow)
        return cv2.remap(array, origin, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)  # type: ignore[call-overload, no-any-return]
