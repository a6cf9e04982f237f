"""While a source gives nothing, its last picture dissolves into clouds, and these into its next."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.curves import smoothstep
from livedream.frame import Image, crop_to_aspect
from livedream.sources.clouds import Clouds
from livedream.sources.source import fitted, size_within

#: How long the last picture takes to become clouds, and clouds to become the first.
AWAY_S, BACK_S = 2.0, 1.2

#: More is not worth the work: clouds have no sharp edges.
_LARGEST_BYTES = 1280 * 720 * 3


class Fallback:
    """Clouds that come and go. Times are ``now``, in seconds of the clock that all processes share.

    So the sky does not jump when this process is replaced. ``last`` is the picture to begin with, None where
    there was none.
    """

    def __init__(self, last: Image | None) -> None:
        self._last = last
        self._clouds: Clouds | None = None
        self._shown = False
        self._position, self._since_s = 0.0, 0.0  # how far the dissolve was, and when

    def turn(self, shown: bool, now: float) -> None:
        """From ``now`` on the clouds come (``shown``), or go."""
        if shown != self._shown:
            if self._last is not None:
                height, width = self._last.shape[:2]
                self._last = fitted(self._last, size_within(width, height, _LARGEST_BYTES))
            self._position, self._since_s, self._shown = self._at(now), now, shown

    def weight(self, now: float) -> float:
        """How much of the picture is clouds, 0.0 to 1.0."""
        return smoothstep(self._at(now))

    def image(self, now: float) -> Image:
        """The picture at ``now`` without a source: RGB uint8 (H, W, 3), in the aspect of the last one."""
        if self._last is None:
            return self._sky(now, None)
        return self._mixed(self._last, now)

    def over(self, image: Image, now: float) -> Image:
        """What there still is of the clouds over ``image``, which is the last picture from now on."""
        self._last = image
        return self._mixed(image, now)

    def _at(self, now: float) -> float:
        if self._last is None:
            return float(self._shown)
        step = (now - self._since_s) / (AWAY_S if self._shown else -BACK_S)
        return min(1.0, max(0.0, self._position + step))

    def _mixed(self, image: Image, now: float) -> Image:
        weight = self.weight(now)
        if weight == 0.0:
            return image
        height, width = image.shape[:2]
        sky = self._sky(now, (width, height))
        return np.asarray(cv2.addWeighted(sky, weight, image, 1.0 - weight, 0.0), np.uint8)

    def _sky(self, now: float, size: tuple[int, int] | None) -> Image:
        if self._clouds is None:
            self._clouds = Clouds() if size is None else Clouds(size)
        sky = self._clouds.image(now)
        return sky if size is None else fitted(crop_to_aspect(sky, size[0] / size[1]), size)
