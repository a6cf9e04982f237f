"""What the network sees of the camera: without its noise, and in the dark as if it were light.

The visitor still sees the camera's own image, so what was dreamt on the one is laid over the other.
"""

from __future__ import annotations

import numpy as np

from livedream.dream.residual import Residual
from livedream.frame import Image
from livedream.settings import Settings
from livedream.vision.denoising import Denoiser
from livedream.vision.exposure import Exposure

#: The residual's contrast follows the camera's gain to this power. At 0 a dream swallows a dark room, at 1
#: it vanishes in it.
_CONTRAST = -0.5


class Sight:
    """Takes frame after frame of one camera, at working size."""

    def __init__(self) -> None:
        self._denoiser, self._exposure = Denoiser(), Exposure()

    def __call__(self, frame: Image, settings: Settings, elapsed_s: float) -> Image:
        """``frame`` (RGB uint8 (h, w, 3)), ``elapsed_s`` after the last one, as the network should see it.

        With feedback a dream goes on from itself, however dark the camera is.
        """
        calm = self._denoiser(frame, elapsed_s)
        return self._exposure(calm, elapsed_s, wanted=not settings.feedback)

    def laid_over(self, residual: Residual) -> Residual:
        """A residual dreamt on what was seen, as it is added to the camera's image."""
        gain = self._exposure.gain
        return residual if gain == 1 else residual * np.float32(gain**_CONTRAST)

    def taken_up(self, residual: Residual) -> Residual:
        """The opposite of :meth:`laid_over`."""
        gain = self._exposure.gain
        return residual if gain == 1 else residual * np.float32(gain**-_CONTRAST)
