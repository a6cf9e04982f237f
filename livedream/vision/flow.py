"""Optical flow between frames at working size, and warping along it.

Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016; OpenCV's
DISOpticalFlow), with half the frame's size as its finest scale: 1 to 2 ms at 320×180 on one core.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

from livedream.frame import Array, Image

Flow = Array  # float32 (h, w, 2), pixels: the offset of each pixel's position in an earlier frame

#: Still parts must not be resampled, because each resampling blurs. So motion counts only if it is longer
#: than the first of these, in pixels, and fully from the second on, ...
_STILL_PX, _MOVING_PX = 0.05, 0.25
#: ... and if it explains the frame better than no motion does: by this fraction of the difference, averaged
#: over a window of cells (each _CELL_PX wide). On noise alone the gain is about a tenth.
_MIN_GAIN, _FULL_GAIN = 0.15, 0.35
_WINDOW, _CELL_PX = (7, 7), 4
_DESCENT_STEPS, _STRIDE_PX = 6, 5
#: The bicubic share of a sharp warp, the rest is bilinear. Thirty bilinear warps leave 6 % of waves of 6
#: pixels, such ones 65 %. With more, waves of 8 to 16 pixels would grow in each warp, by up to 3 %.
CUBIC = 0.7


def grey(image: Image) -> Image:
    """An RGB image as grey uint8 (h, w), which optical flow needs."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def without_noise(flow: Flow, now: Image, before: Image, warped: Image) -> Flow:
    """``flow``, exactly zero where it is only noise.

    It was estimated between ``now`` and ``before``; ``warped`` is ``before`` warped along it.
    """
    height, width = flow.shape[:2]
    cells = -(-width // _CELL_PX), -(-height // _CELL_PX)

    def difference(other: Image) -> Array:
        small = cv2.resize(cv2.absdiff(now, other), cells, interpolation=cv2.INTER_AREA)
        return cv2.blur(small.astype(np.float32), _WINDOW)

    still = difference(before)
    gain = (still - difference(warped)) / (still + np.float32(1e-3))
    small = cv2.resize(flow, cells, interpolation=cv2.INTER_AREA)
    confidence = _ramp(np.hypot(small[..., 0], small[..., 1]), _STILL_PX, _MOVING_PX)
    confidence *= _ramp(gain, _MIN_GAIN, _FULL_GAIN)
    small *= confidence[..., None]
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _ramp(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, linear between."""
    ramp: Array = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return ramp


class FlowEstimator:
    """Optical flow between grey frames. Holds OpenCV's buffers; not thread-safe."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(1)
        self._dis.setGradientDescentIterations(_DESCENT_STEPS)
        self._dis.setPatchStride(_STRIDE_PX)

    def __call__(self, now: Image, before: Image) -> Flow:
        """The offset of each pixel of ``now`` to its position in ``before``: (h, w, 2) in pixels.

        Both are grey (h, w). Still parts are exactly zero, even with camera noise.
        """
        zero = np.zeros((*now.shape, 2), np.float32)
        if min(now.shape) < 16 or np.array_equal(now, before):  # DIS has no coarser scale to start from
            return zero
        smooth_now, smooth_before = (np.asarray(cv2.blur(grey, (3, 3)), np.uint8) for grey in (now, before))
        flow: Flow = self._dis.calc(smooth_now, smooth_before, zero)
        return without_noise(flow, smooth_now, smooth_before, warp_along(smooth_before, flow))

    def warp(self, array: Array, flow: Flow) -> Array:
        """``array`` (h, w, …) warped: each pixel is sampled at its offset in ``flow``."""
        return warp_along(array, flow)


@functools.lru_cache(maxsize=4)
def _places(height: int, width: int) -> Array:
    """Each pixel's own (x, y)."""
    return np.indices((height, width), np.float32)[::-1].transpose(1, 2, 0).copy()


def warp_along(array: Array, flow: Flow) -> Array:
    """``array`` (h, w, …) warped: each pixel is sampled at its offset in ``flow``."""
    origin = cv2.add(_places(*flow.shape[:2]), flow)
    return _sampled(array, origin, cv2.INTER_LINEAR)


def warp_sharply(array: Array, flow: Flow, cubic_share: float = CUBIC) -> Array:
    """As :func:`warp_along`, for what is warped again and again: it stays sharp, and no frequency grows.

    ``cubic_share``, at most :data:`CUBIC`, says how sharp.
    """
    origin = cv2.add(_places(*flow.shape[:2]), flow)
    linear, cubic = (_sampled(array, origin, how) for how in (cv2.INTER_LINEAR, cv2.INTER_CUBIC))
    return np.asarray(cv2.addWeighted(cubic, cubic_share, linear, 1 - cubic_share, 0))


def _sampled(array: Array, origin: Array, how: int) -> Array:
    return cv2.remap(array, origin, None, how, borderMode=cv2.BORDER_REFLECT_101)  # type: ignore[call-overload, no-any-return]
