"""The mirror's picture: the newest camera frame with the newest dream laid over it.

The dream process publishes residuals at working size, each belonging to a frame that is already a little
old. Here the residual is moved by the optical flow since that frame, upscaled, and added to the current
frame at full resolution: so the picture is never older than the camera, and never waits for the dream.

What is mixed how, and where, is decided at working size (livedream.stage.look); full resolution only sees

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

#: Frames whose small copies are kept to find the motion since a residual's frame: two seconds at 30 fps.
_REMEMBERED = 64
#: A residual that is older than the first begins to fade, and is gone at the second: the dream process is
#: away, and what it left no longer belongs to the picture.
_STALE_S, _GONE_S = 2.0, 4.0
#: Unsharp masking before the dream is upscaled: its radius in pixels of the working size, and its amount.
#: Twice as much makes halos, none is soft (docs/measurements.md has the crops).
_SHARPEN_PX, _SHARPEN = 1.0, 0.5
#: Until a dream says what the working size is.
_LOOK_PX = 320
#: A camera that shows through by less is not worth a pass over the picture.
_NOTHING = 1 / 512


def picture_size(visible: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a picture shaped like ``visible`` (w, h) that fits ``output`` (w, h); both are even,
    unless it fits as it is."""
    if visible == output:
        return visible
    scale = min(output[0] / visible[0], output[1] / visible[1])
    return max(2, 2 * round(visible[0] * scale / 2)), max(2, 2 * round(visible[1] * scale / 2))


def lay_over(image: Image, layer: Array | None, size: tuple[int, int], keep: Array | None = None) -> Image:
    """``keep · image + layer`` at ``size`` (w, h), held in 0..255; the picture is RGB uint8.

    ``layer`` (h, w, 3), in levels, and ``keep`` (h, w) in 0..1 are upscaled bicubically, the layer sharpened
    a little before; no ``layer`` adds nothing, no ``keep`` keeps all.
    """
    if layer is None:
        return np.ascontiguousarray(resize(image, *size))
    # As bytes the layer is upscaled and added in half the time, and off by at most half a level for each
    # 255 levels that it spans.
    sharp = layer + _SHARPEN * (layer - cv2.GaussianBlur(layer, (5, 5), _SHARPEN_PX))
    low, high, _, _ = cv2.minMaxLoc(sharp.reshape(1, -1))
    low, high = max(low, -255.0), min(high, 255.0)
    level = max(1.0, (high - low) / 255)
    small = cv2.convertScaleAbs(np.clip(sharp, low, high) - low, alpha=1 / level)
    large = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    if keep is None or float(keep.max()) > _NOTHING:
        camera = resize(image, *size)
        if keep is not None and float(keep.min()) < 1 - _NOTHING:
            share = cv2.resize(cv2.convertScaleAbs(keep, alpha=255), size, interpolation=cv2.INTER_CUBIC)
            camera = cv2.multiply(camera, cv2.merge([share, share, share]), scale=1 / 255)
        return np.asarray(cv2.addWeighted(camera, 1.0, large, level, low), np.uint8)
    return np.asarray(cv2.convertScaleAbs(large, alpha=level, beta=low), np.uint8)


def freshness(age_s: float) -> float:
    """How much of a residual of this age to show: 1.0 down to 0.0."""
    return min(1.0, max(0.0, (_GONE_S - age_s) / (_GONE_S - _STALE_S)))


class Composer:
    """Remembers the last frames at working size, in colour and grey, and moves residuals to the current one.

    ``room`` is what it has learnt about the place that the camera sees.
    """

    def __init__(self) -> None:
        self.room = PresenceDetector()
        self._look = Look()
        self._flow = FlowEstimator()
        self._known: OrderedDict[int, tuple[Image, Image]] = OrderedDict()
        self._visible: Image | None = None
        self._index = -1
        self._time_s = 0.0
        self._working = (0, 0)

    def see(self, image: Image, index: int, aspect: float | None, time_s: float) -> None:
        """Take a new camera frame (RGB uint8), its index and time; the middle of shape ``aspect`` shows."""
        self._visible = crop_to_aspect(image, aspect)
        self._index, self._time_s = index, time_s
        self._remember()
        self.room.see(self._known[index][1], time_s)

    def _remember(self) -> None:
        assert self._visible is not None
        if self._working == (0, 0):
            self._working = working_size(self._visible.shape[1], self._visible.shape[0], _LOOK_PX)
        small = resize(self._visible, *self._working)
        self._known[self._index] = small, grey(small)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def compose(
        self,
        residual: Array | None,
        index: int,
        output: tuple[int, int],
        settings: Settings,
        share: float = 1.0,
    ) -> Image | None:
        """The picture for an ``output`` of (w, h), in the shape of what is visible; None before any frame.

        ``residual`` (h, w, 3) belongs to the frame number ``index``; ``share`` (0..1) of it is shown.
        """
        visible = self._visible
        if visible is None:
            return None
        size = picture_size((visible.shape[1], visible.shape[0]), output)
        layer = keep = None
        if residual is not None and share * settings.strength > 0:
            moved, small = self._attach(residual, index, settings.feedback)
            now = self._look.now(settings, self.room, self._working, self._time_s)
            layer, keep = overlay_of(moved, small, now, settings.strength, share)
        picture = lay_over(visible, layer, size, keep)
        return np.asarray(cv2.flip(picture, 1), np.uint8) if settings.mirror else picture

    def _attach(self, residual: Array, index: int, feedback: float) -> tuple[Array, Image]:
        """``residual`` moved from its own frame to the current one, and that frame at its size.

        A dream that dives is a picture of its own and not attached to anybody: it stays with its own frame.
        """
        working = (residual.shape[1], residual.shape[0])
        if working != self._working:  # the working size was changed
            self._working = working
            self._known.clear()
            self._remember()
        # The dream may have seen a frame that was never shown: the nearest one that was is next to it.
        nearest = min(self._known, key=lambda known: abs(known - index))
        (small, now), (own, before) = self._known[self._index], self._known[nearest]
        if nearest == self._index:
            return residual, small
        if feedback == 1:
            return residual, own
        moved = self._flow.warp(residual, self._flow(now, before))
        if feedback:
            moved = cv2.addWeighted(moved, 1 - feedback, residual, feedback, 0)
            small = np.asarray(cv2.addWeighted(small, 1 - feedback, own, feedback, 0), np.uint8)
        return moved, small
