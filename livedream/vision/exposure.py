"""What a network should see in the dark: the camera's image as if it had been exposed for longer."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.curves import decay
from livedream.frame import Image

#: An image is dark when nine tenths of it are darker than this, in levels. Up to that it is lifted, ...
_LIGHT_LEVELS, _LIGHT_PART = 90.0, 0.9
#: ... by this factor at most, near black; white stays white.
_MOST = 4.0
#: Half-lives: eyes take longer to get used to the dark than to the light.
_TO_DARK_S, _TO_LIGHT_S = 1.0, 0.15
#: Every so manyth pixel is looked at, right and down.
_SPARSE = 8
#: A gain so close to 1 is none.
_NEAR = 0.01


class Exposure:
    """Takes frame after frame of one camera. ``gain`` is by how much the darkest parts are lifted now."""

    def __init__(self) -> None:
        self.gain = 1.0
        self._begun = False

    def __call__(self, frame: Image, elapsed_s: float, wanted: bool = True) -> Image:
        """``frame`` (RGB uint8 (h, w, 3)), ``elapsed_s`` after the last one, lifted if that is ``wanted``."""
        goal = gain_for(frame) if wanted else 1.0
        if self._begun:
            half_life_s = _TO_DARK_S if goal > self.gain else _TO_LIGHT_S
            goal += (self.gain - goal) * decay(half_life_s, elapsed_s)
        self._begun = True
        self.gain = goal if goal > 1 + _NEAR else 1.0
        return frame if self.gain == 1 else np.asarray(cv2.LUT(frame, _curve(self.gain)), np.uint8)


def gain_for(frame: Image) -> float:
    """The gain with which a dark image is light; 1 for any other."""
    pixels = frame[::_SPARSE, ::_SPARSE].ravel()
    at = round(_LIGHT_PART * (pixels.size - 1))
    found = max(1.0, float(np.partition(pixels, at)[at]))
    return min(_MOST, max(1.0, _LIGHT_LEVELS * (255 - found) / (found * (255 - _LIGHT_LEVELS))))


def _curve(gain: float) -> Image:
    x = np.arange(256) / 255
    return np.rint(255 * gain * x / (1 + (gain - 1) * x)).astype(np.uint8)
