"""Composites the newest dream over the newest camera frame.

The dream process publishes residuals at working size, each computed for a frame that is already slightly old.
The residual is warped along the optical flow since that frame, upscaled and added to the current frame at
full resolution, so the picture is as recent as the camera and never waits for the dream.

The mix and the mask are evaluated at working size (:mod:`livedream.stage.look`); all that is left for full
resolution is

    picture = keep · camera + layer
"""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np

from livedream.frame import Array, Image, crop_to_aspect, resize, working_size
from livedream.settings import Settings
from livedream.stage.look import Look, overlay_of
from livedream.vision.flow import FlowEstimator, grey
from livedream.vision.presence import PresenceDetector

#: Small copies of frames kept to estimate the motion since a residual's frame: two seconds at 30 fps.
_HISTORY = 64
#: A residual starts to fade at the first age and is gone at the second: by then the dream process has
#: stopped, and what it last sent no longer fits the frame.
_STALE_S, _GONE_S = 2.0, 4.0
#: Unsharp mask applied before upscaling: radius in working-size pixels, and amount. Twice the amount makes
#: halos, none looks soft (docs/measurements.md shows crops).
_SHARPEN_PX, _SHARPEN = 1.0, 0.5
#: Longer side of the working size until the first residual tells.
_DEFAULT_WORKING_PX = 320
#: Camera weights below this are not worth a pass over the full-resolution frame.
_NEGLIGIBLE = 1 / 512


def picture_size(visible: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) with the aspect of ``visible`` (w, h) that fits into ``output`` (w, h).

    Both are even, unless ``visible`` already has the size of ``output``.
    """
    if visible == output:
        return visible
    scale = min(output[0] / visible[0], output[1] / visible[1])
    return max(2, 2 * round(visible[0] * scale / 2)), max(2, 2 * round(visible[1] * scale / 2))


def lay_over(image: Image, layer: Array | None, size: tuple[int, int], keep: Array | None = None) -> Image:
    """``keep · image + layer`` at ``size`` (w, h), clipped to 0..255, as RGB uint8.

    ``layer`` (h, w, 3) in grey levels and ``keep`` (h, w) in 0..1 are upscaled bicubically, the layer after
    light sharpening. None means a layer of 0 and a weight of 1.
    """
    if layer is None:
        return np.ascontiguousarray(resize(image, *size))
    # Upscaling and adding uint8 takes half the time of float32. The rounding error is at most half a level
    # per 255 levels of the layer's range.
    sharp = layer + _SHARPEN * (layer - cv2.GaussianBlur(layer, (5, 5), _SHARPEN_PX))
    low, high, _, _ = cv2.minMaxLoc(sharp.reshape(1, -1))
    low, high = max(low, -255.0), min(high, 255.0)
    step = max(1.0, (high - low) / 255)
    small = cv2.convertScaleAbs(np.clip(sharp, low, high) - low, alpha=1 / step)
    large = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    if keep is None or float(keep.max()) > _NEGLIGIBLE:
        camera = resize(image, *size)
        if keep is not None and float(keep.min()) < 1 - _NEGLIGIBLE:
            weight = cv2.resize(cv2.convertScaleAbs(keep, alpha=255), size, interpolation=cv2.INTER_CUBIC)
            camera = cv2.multiply(camera, cv2.merge([weight, weight, weight]), scale=1 / 255)
        return np.asarray(cv2.addWeighted(camera, 1.0, large, step, low), np.uint8)
    return np.asarray(cv2.convertScaleAbs(large, alpha=step, beta=low), np.uint8)


def freshness(age_s: float) -> float:
    """The alpha (1.0 down to 0.0) with which to show a residual of this age."""
    return min(1.0, max(0.0, (_GONE_S - age_s) / (_GONE_S - _STALE_S)))


class Composer:
    """Keeps the latest frames at working size and composites residuals over the current frame."""

    def __init__(self) -> None:
        self._look = Look()
        self._flow = FlowEstimator()
        self._history: OrderedDict[int, tuple[Image, Image]] = OrderedDict()  # index -> small frame, its grey
        self._visible: Image | None = None
        self._aspect: float | None = None
        self._index = -1
        self._time_s = 0.0
        self._working = (0, 0)

    @property
    def grey(self) -> Image | None:
        """The visible part of the current frame at working size, grey uint8 (h, w); None before any frame."""
        return self._history[self._index][1] if self._visible is not None else None

    def see(self, image: Image, index: int, aspect: float | None, time_s: float) -> None:
        """Take a new camera frame (RGB uint8), its index and capture time.

        ``aspect`` (width / height) is the centred crop that is visible, None for the whole frame.
        """
        if aspect != self._aspect:  # flow between two different crops would mean nothing
            self._history.clear()
            self._working = (0, 0)
        self._visible, self._aspect = crop_to_aspect(image, aspect), aspect
        self._index, self._time_s = index, time_s
        self._remember()

    def _remember(self) -> None:
        assert self._visible is not None
        if self._working == (0, 0):
            height, width = self._visible.shape[:2]
            self._working = working_size(width, height, _DEFAULT_WORKING_PX)
        small = resize(self._visible, *self._working)
        self._history[self._index] = small, grey(small)
        while len(self._history) > _HISTORY:
            self._history.popitem(last=False)

    def compose(
        self,
        residual: Array | None,
        index: int,
        output: tuple[int, int],
        settings: Settings,
        alpha: float = 1.0,
        *,
        residual_aspect: float | None = None,
        presence: PresenceDetector | None = None,
        transition_s: float | None = None,
    ) -> Image | None:
        """The picture for an ``output`` of (w, h), in the aspect of the visible crop; None before any frame.

        ``residual`` (h, w, 3) was dreamt on the frame ``index``, cropped to ``residual_aspect``. If that is
        not the current crop, no dream is shown. ``alpha`` (0..1) fades the dream. ``presence`` and
        ``transition_s`` are as in :meth:`livedream.stage.look.Look.now`.
        """
        visible = self._visible
        if visible is None:
            return None
        size = picture_size((visible.shape[1], visible.shape[0]), output)
        layer = keep = None
        if residual is not None and residual_aspect == self._aspect and alpha * settings.strength > 0:
            warped, small = self._attach(residual, index, settings.feedback)
            mixture = self._look.now(settings, presence, self._working, self._time_s, transition_s)
            layer, keep = overlay_of(warped, small, mixture, settings.strength, alpha)
        picture = lay_over(visible, layer, size, keep)
        return np.asarray(cv2.flip(picture, 1), np.uint8) if settings.mirror else picture

    def _attach(self, residual: Array, index: int, feedback: float) -> tuple[Array, Image]:
        """``residual`` warped from its own frame to the current one, and the frame to show under it.

        With feedback the dream is an image of its own and does not follow the motion in front of the camera:
        by as much it stays on the frame that it was dreamt on.
        """
        working = (residual.shape[1], residual.shape[0])
        if working != self._working:  # the working size was changed
            self._working = working
            self._history.clear()
            self._remember()
        # The dream may have used a frame that was never shown; the nearest frame that was is close enough.
        nearest = min(self._history, key=lambda known: abs(known - index))
        (small, now), (own, before) = self._history[self._index], self._history[nearest]
        if nearest == self._index:
            return residual, small
        if feedback == 1:
            return residual, own
        warped = self._flow.warp(residual, self._flow(now, before))
        if feedback:
            warped = cv2.addWeighted(warped, 1 - feedback, residual, feedback, 0)
            small = np.asarray(cv2.addWeighted(small, 1 - feedback, own, feedback, 0), np.uint8)
        return warped, small
