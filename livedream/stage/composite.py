"""Arranges the newest dream over the newest camera frame.

The dream process publishes residuals at working size, each computed for a frame that is already slightly old.
The residual is warped along the optical flow since that frame, upscaled and added to the current frame at
full resolution, so the picture is as recent as the camera and never waits for the dream.

What is to be seen is a :class:`~livedream.stage.scene.Scene`, at working size; painting it is the only work
at full resolution.
"""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np

from livedream.frame import Array, Image, crop_to_aspect, resize, working_size
from livedream.settings import Settings
from livedream.stage.look import Look
from livedream.stage.painting import Painter
from livedream.stage.scene import Dream, Scene, Size
from livedream.vision.flow import Flow, FlowEstimator, grey
from livedream.vision.presence import PresenceDetector

#: Small grey copies of frames kept to estimate the motion since a residual's frame: two seconds at 30 fps.
_HISTORY = 64
#: Motion is estimated in frames whose longer side is at most this long, whatever the working size: four times
#: the pixels take four times the time, and the motion of a person in them is the same.
_FLOW_PX = 320
#: Frames at working size are kept to be shown under a dream, the newest ones up to this many bytes.
_UNDER_BYTES = 16 << 20
#: A residual starts to fade at the first age and is gone at the second: by then the dream process has
#: stopped, and what it last sent no longer fits the frame.
_STALE_S, _GONE_S = 2.0, 4.0
#: Longer side of the working size until the first residual tells.
_DEFAULT_WORKING_PX = 320


def picture_size(visible: Size, output: Size) -> Size:
    """The largest (width, height) with the aspect of ``visible`` (w, h) that fits into ``output`` (w, h).

    Both are even, unless ``visible`` already has the size of ``output``.
    """
    if visible == output:
        return visible
    scale = min(output[0] / visible[0], output[1] / visible[1])
    return max(2, 2 * round(visible[0] * scale / 2)), max(2, 2 * round(visible[1] * scale / 2))


def freshness(age_s: float) -> float:
    """The alpha (1.0 down to 0.0) with which to show a residual of this age."""
    return min(1.0, max(0.0, (_GONE_S - age_s) / (_GONE_S - _STALE_S)))


class Composer:
    """Keeps the latest frames at working size and lays residuals over the current frame."""

    def __init__(self) -> None:
        self._look = Look()
        self._flow = FlowEstimator()
        self._painter = Painter()
        self._greys: OrderedDict[int, Image] = OrderedDict()  # by index, at most _FLOW_PX long
        self._under: OrderedDict[int, Image] = OrderedDict()  # by index, at working size
        self._motion: tuple[tuple[int, int, Size], Flow] | None = None  # between two frames, at a size
        self._visible: Image | None = None
        self._aspect: float | None = None
        self._index = -1
        self._time_s = 0.0
        self._working = (0, 0)

    @property
    def grey(self) -> Image | None:
        """The visible part of the current frame, small and grey: uint8 (h, w); None before any frame."""
        return self._greys[self._index] if self._visible is not None else None

    def see(self, image: Image, index: int, aspect: float | None, time_s: float) -> None:
        """Take a new camera frame (RGB uint8), its index and capture time.

        ``aspect`` (width / height) is the centred crop that is visible, None for the whole frame.
        """
        if aspect != self._aspect:  # flow between two different crops would mean nothing
            self._forget((0, 0))
        self._visible, self._aspect = crop_to_aspect(image, aspect), aspect
        self._index, self._time_s = index, time_s
        self._remember()

    def _forget(self, working: Size) -> None:
        self._greys.clear()
        self._under.clear()
        self._motion, self._working = None, working

    def _remember(self) -> None:
        assert self._visible is not None
        height, width = self._visible.shape[:2]
        if self._working == (0, 0):
            self._working = working_size(width, height, _DEFAULT_WORKING_PX)
        small = resize(self._visible, *self._working)
        self._under[self._index] = small
        seen = small
        if max(self._working) > _FLOW_PX:
            seen = resize(small, *working_size(*self._working, _FLOW_PX))
        self._greys[self._index] = grey(seen)
        while len(self._greys) > _HISTORY:
            self._greys.popitem(last=False)
        while len(self._under) > max(2, min(_HISTORY, _UNDER_BYTES // small.nbytes)):
            self._under.popitem(last=False)

    def arrange(
        self,
        residual: Array | None,
        index: int,
        output: Size,
        settings: Settings,
        alpha: float = 1.0,
        *,
        residual_aspect: float | None = None,
        presence: PresenceDetector | None = None,
        transition_s: float | None = None,
    ) -> Scene | None:
        """The scene for an ``output`` of (w, h), in the aspect of the visible crop; None before any frame.

        ``residual`` (h, w, 3) was dreamt on the frame ``index``, cropped to ``residual_aspect``. If that is
        not the current crop, no dream is shown. ``alpha`` (0..1) fades the dream. ``presence`` and
        ``transition_s`` are as in :meth:`livedream.stage.look.Look.now`.
        """
        visible = self._visible
        if visible is None:
            return None
        size = picture_size((visible.shape[1], visible.shape[0]), output)
        dream = None
        if residual is not None and residual_aspect == self._aspect and alpha * settings.strength > 0:
            flow, under = self._attach(residual, index, settings.feedback)
            mixture = self._look.now(
                settings, presence, self._working, self._time_s, transition_s, self._under[self._index]
            )
            # With feedback the dream is an image of its own, with colours of its own.
            restraint = settings.restraint * (1 - settings.feedback)
            dream = Dream(
                residual, flow, settings.feedback, under, mixture, settings.strength, alpha, restraint
            )
        return Scene(visible, size, settings.mirror, dream, self._painter)

    def compose(
        self,
        residual: Array | None,
        index: int,
        output: Size,
        settings: Settings,
        alpha: float = 1.0,
        *,
        residual_aspect: float | None = None,
        presence: PresenceDetector | None = None,
        transition_s: float | None = None,
    ) -> Image | None:
        """The picture of :meth:`arrange`, RGB uint8 (H, W, 3), painted on the processor."""
        scene = self.arrange(
            residual,
            index,
            output,
            settings,
            alpha,
            residual_aspect=residual_aspect,
            presence=presence,
            transition_s=transition_s,
        )
        return None if scene is None else scene.picture()

    def _attach(self, residual: Array, index: int, feedback: float) -> tuple[Flow | None, Image]:
        """The flow from the residual's frame to the current one, and the frame to show under it.

        With feedback the dream is an image of its own and does not follow the motion in front of the camera:
        by as much it stays on the frame that it was dreamt on.
        """
        working = (residual.shape[1], residual.shape[0])
        if working != self._working:  # the working size was changed
            self._forget(working)
            self._remember()
        # The dream may have used a frame that was never shown; the nearest frame that was is close enough.
        nearest = min(self._greys, key=lambda known: abs(known - index))
        under = self._under[self._index]
        if nearest == self._index:
            return None, under
        own = self._under[min(self._under, key=lambda known: abs(known - index))] if feedback else under
        if feedback == 1:
            return None, own
        if feedback:
            under = np.asarray(cv2.addWeighted(under, 1 - feedback, own, feedback, 0), np.uint8)
        return self._flow_since(nearest), under

    def _flow_since(self, index: int) -> Flow:
        """The flow at working size from frame ``index`` to the current one; estimated once."""
        key = (self._index, index, self._working)
        if self._motion is None or self._motion[0] != key:
            now, before = self._greys[self._index], self._greys[index]
            flow = self._flow(now, before)
            if flow.shape[1::-1] != self._working:
                scale = self._working[0] / flow.shape[1], self._working[1] / flow.shape[0]
                flow = cv2.resize(flow, self._working, interpolation=cv2.INTER_LINEAR)
                flow *= np.array(scale, np.float32)
            self._motion = key, flow
        return self._motion[1]
