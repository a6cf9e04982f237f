"""From a dream that is made here to one that is made elsewhere, without a jump."""

from __future__ import annotations

import numpy as np

from livedream.dream.residual import Residual
from livedream.frame import Image, resize
from livedream.vision.flow import FlowEstimator, grey, warp_along

#: A mean of two unlike dreams is weaker than either; it is made stronger by this much at most.
_MOST_GAIN = 1.5


def strength(residual: Residual) -> float:
    """How strong a residual is: its root mean square, in levels of 255."""
    return float(np.sqrt(np.mean(np.square(residual, dtype=np.float32)))) if residual.size else 0.0


class Crossfade:
    """Lays one residual over another of another frame; not thread-safe."""

    def __init__(self) -> None:
        self._flow = FlowEstimator()

    def __call__(self, here: tuple[Image, Residual], there: tuple[Image, Residual], share: float) -> Residual:
        """Both as one, for the frame of ``here``: of ``there`` this ``share``, 0 to 1.

        Each is a frame (RGB uint8 (h, w, 3)) and its residual; the result has the size of ``here``.
        """
        frame, residual = here
        height, width = residual.shape[:2]
        now, before = (grey(resize(image, width, height)) for image in (frame, there[0]))
        moved = resize(there[1], width, height)
        flow = self._flow(now, before)
        if flow.any():
            moved = warp_along(moved, flow)
        mixed: Residual = residual + np.float32(share) * (moved - residual)
        wanted = strength(residual) + share * (strength(moved) - strength(residual))
        gain = min(_MOST_GAIN, max(1.0, wanted / max(strength(mixed), 1e-3)))
        return mixed * np.float32(gain)
