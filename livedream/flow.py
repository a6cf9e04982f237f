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


class FlowEstimator:
    """Optical flow between grey pictures. Holds OpenCV's work space; not for several threads."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._rows = self._columns = np.zeros((0, 0), np.float32)

    def __call__(self, now: Image, before: Image) -> Flow:
        """Where each pixel of ``now`` lay in ``before``, relative, in pixels (h, w, 2); both are grey (h, w).

        Motion below the noise is exactly zero.
        """
        if min(now.shape[:2]) < 16:  # DIS has no coarser scale to start from
            return np.zeros((*now.shape[:2], 2), np.float32)
        flow: Flow = self._dis.calc(now, before, np.zeros((*now.shape, 2), np.float32))
        speed = np.hypot(flow[..., 0], flow[..., 1])
        belief = np.clip((speed - _STILL_PX) / (_MOVING_PX - _STILL_PX), 0.0, 1.0)
        flow *= belief[..., None]
        return flow

    def warp(self, array: Array, flow: Flow) -> Array:
        """``array`` (h, w, …) moved along: each pixel is taken from where ``flow`` says that it was."""
        height, width = flow.shape[:2]
        if self._columns.shape != (height, width):
            self._rows, self._columns = np.indices((height, width), np.float32)
        from_x, from_y = self._columns + flow[..., 0], self._rows + flow[..., 1]
        return cv2.remap(array, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
