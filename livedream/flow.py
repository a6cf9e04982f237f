"""Optical flow between working-size pictures, and moving things along it.

Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016; OpenCV's
DISOpticalFlow): at 320×180 a fraction of a millisecond on one core.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image

Flow = Array  # float32 (h, w, 2), pixels: where each pixel of one picture lay in another, relative

#: Below the first, in pixels, a flow is the noise of a camera that sees a still scene; above the second it
#: is believed. Each resampling blurs, so what stands still must not be resampled at all.
_STILL_PX, _MOVING_PX = 0.2, 0.6


def grey(image: Image) -> Image:
    """An RGB picture as the grey uint8 (h, w) that optical flow wants."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def believed(flow: Flow) -> Flow:
    """``flow`` without what is only noise: motion up to a fraction of a pixel becomes exactly zero."""
    height, width = flow.shape[:2]
    # DIS finds its flow at a quarter of the size: nothing is lost there.
    small = cv2.resize(flow, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    speed = np.hypot(small[..., 0], small[..., 1])
    belief = np.clip((speed - _STILL_PX) / (_MOVING_PX - _STILL_PX), 0.0, 1.0, dtype=np.float32)
    small *= belief[..., None]
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


class FlowEstimator:
    """Optical flow between grey pictures. Holds OpenCV's work space; not for several threads."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._here = np.zeros((0, 0, 2), np.float32)  # each pixel's own (x, y)

    def __call__(self, now: Image, before: Image) -> Flow:
        """Where each pixel of ``now`` lay in ``before``, relative, in pixels (h, w, 2); both are grey (h, w).

        Motion below the noise is exactly zero.
        """
        if min(now.shape[:2]) < 16:  # DIS has no coarser scale to start from
            return np.zeros((*now.shape[:2], 2), np.float32)
        flow: Flow = self._dis.calc(now, before, np.zeros((*now.shape, 2), np.float32))
        return believed(flow)

    def warp(self, array: Array, flow: Flow) -> Array:
        """``array`` (h, w, …) moved along: each pixel is taken from where ``flow`` says that it was."""
        if self._here.shape != flow.shape:
            self._here = np.indices(flow.shape[:2], np.float32)[::-1].transpose(1, 2, 0).copy()
        origin = cv2.add(self._here, flow)
        return cv2.remap(array, origin, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)  # type: ignore[call-overload, no-any-return]
