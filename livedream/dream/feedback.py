"""Feedback: what is carried from one frame's dream to the next.

Three maps, in OpenCV on the host, where the camera's picture already is: the *residual* (the dream minus
the frame it was dreamt on), its *momentum* (the mean of the last directions, which calms the flicker of
jittered gradients), and its *novelty* (1 where a dream begins, falling to 0 as it settles). All three move
with the picture, and are dropped where the flow fails or something new comes into view.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.dream.residual import Residual, flow_confidence, scene_similarity, soft_limit, within_range
from livedream.frame import Array, Image, resize
from livedream.settings import Settings
from livedream.vision.flow import Flow, FlowEstimator, grey

#: Ticks in which the novelty of a dream falls to 1/e.
_NOVELTY_TICKS = 10.0
#: How young a dream stays where the picture moves: directions are soon out of date, and flicker is hidden.
_MOVING_NOVELTY = 0.4
#: How much less a dream fades that is fully dived into.
_DIVE_LASTS = 0.6
#: The share of the residual's slow colour washes that is taken off in each tick, and the grid that is slow.
_WASH_SHARE, _WASH_GRID = 0.05, (16, 9)


class Feedback:
    """What is carried, at working size: ``residual`` and ``momentum`` (h, w, 3) and ``novelty`` (h, w).

    The residual is in levels of 255, the momentum in units of a normalised gradient.
    """

    def __init__(self) -> None:
        self._flow = FlowEstimator()
        self._frame: Image | None = None
        self._grey: Image | None = None
        self.residual: Residual = np.zeros((0, 0, 3), np.float32)
        self.momentum: Array = self.residual
        self.novelty: Array = np.zeros((0, 0), np.float32)

    def follow(self, frame: Image, settings: Settings, elapsed_s: float) -> None:
        """Move everything from the last frame to ``frame`` (RGB uint8 (h, w, 3)), and fade it."""
        now = grey(frame)
        height, width = now.shape
        if self._frame is None or self._grey is None:
            self.residual, self.momentum = np.zeros((2, height, width, 3), np.float32)
            self.novelty = np.ones((height, width), np.float32)
        elif self._grey.shape != now.shape:
            self.residual, self.momentum, self.novelty = (
                resize(array, width, height) for array in (self.residual, self.momentum, self.novelty)
            )
            self.residual *= settings.persistence
        else:
            self._move(frame, now, (self._frame, self._grey), settings, elapsed_s)
        self.novelty *= np.float32(np.exp(-1 / _NOVELTY_TICKS))
        self._frame, self._grey = frame, now

    def _move(
        self,
        frame: Image,
        now: Image,
        last: tuple[Image, Image],
        settings: Settings,
        elapsed_s: float,
    ) -> None:
        warp, feedback, (picture, before) = self._flow.warp, np.float32(settings.feedback), last
        flow = self._flow(now, before)
        keep = flow_confidence(now, warp(before, flow)) * np.float32(scene_similarity(now, before))
        moving = np.float32(_MOVING_NOVELTY) * motion(flow) if flow.any() else None
        if feedback:
            flow *= 1 - feedback
            keep += feedback * (1 - keep)
        drift = displacement(now.shape, settings, elapsed_s)
        if drift is not None:
            flow += drift
        if drift is not None or flow.any():
            self.residual, self.momentum, self.novelty = (
                warp(array, flow) for array in (self.residual, self.momentum, self.novelty)
            )
        # What has no camera to be held against may last longer.
        fade = np.float32(1 - (1 - settings.persistence) * (1 - _DIVE_LASTS * settings.feedback)) * keep
        if feedback:
            self.residual = self._dived(frame, picture, flow, fade, feedback)
        else:
            self.residual = faded(self.residual, fade)
        self.momentum = faded(self.momentum, keep)
        np.maximum(self.novelty, 1 - keep, out=self.novelty)
        if moving is not None:
            np.maximum(self.novelty, moving, out=self.novelty)

    def _dived(self, frame: Image, before: Image, flow: Flow, fade: Array, feedback: np.float32) -> Residual:
        """The residual when the last picture, not only the last residual, is fed back."""
        picture = self._flow.warp(before, flow).astype(np.float32) + self.residual
        ground = washes(picture)
        ground += np.float32(_WASH_SHARE) * (washes(frame.astype(np.float32)) - ground)
        fed_back = ground + faded(picture - ground, fade) - frame
        mirrored = faded(self.residual, fade)
        mirrored += feedback * (fed_back - mirrored)
        return mirrored

    def rejuvenate(self, novelty: float) -> None:
        """Make the dream everywhere at least as young as ``novelty`` (0..1), to take on something new."""
        np.maximum(self.novelty, np.float32(novelty), out=self.novelty)

    def settle(self, residual: Residual, momentum: Array, settings: Settings) -> Residual:
        """Take what was dreamt in this tick, without its slow colour washes, and within its limit."""
        assert self._frame is not None
        self.momentum = momentum
        residual -= np.float32(_WASH_SHARE * (1 - settings.feedback)) * washes(residual)
        limit = settings.residual_limit + (255 - settings.residual_limit) * settings.feedback
        self.residual = within_range(soft_limit(residual, limit), self._frame)
        return self.residual


def faded(array: Array, by: Array) -> Array:
    """``array`` (h, w, 3) times a map (h, w)."""
    return cv2.multiply(array, cv2.merge([by, by, by]))


def displacement(shape: tuple[int, int], settings: Settings, elapsed_s: float) -> Flow | None:
    """Where each pixel of a zoomed, turned, shifted dream was, relative, (h, w, 2) px; None: at rest."""
    if not (settings.zoom or settings.spin or settings.pan_x or settings.pan_y) or elapsed_s <= 0:
        return None
    height, width = shape
    scale = (1 + settings.zoom / 100) ** -elapsed_s
    angle = np.deg2rad(settings.spin * elapsed_s)
    right, down = (np.float32(pan / 100 * width * elapsed_s) for pan in (settings.pan_x, settings.pan_y))
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2) - down
    x = np.arange(width, dtype=np.float32)[None] - np.float32((width - 1) / 2) - right
    along, across = np.float32(scale * np.cos(angle) - 1), np.float32(scale * np.sin(angle))
    return np.stack([along * x + across * y - right, along * y - across * x - down], 2)


def motion(flow: Flow) -> Array:
    """Where the picture moves, (h, w) in 0..1, softly: 1 from one pixel a tick at a width of 320 on."""
    height, width = flow.shape[:2]
    small = cv2.resize(flow, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    speed = np.minimum(np.hypot(small[..., 0], small[..., 1]) * np.float32(320 / width), 1)
    return cv2.resize(cv2.blur(speed, (3, 3)), (width, height), interpolation=cv2.INTER_LINEAR)


def washes(picture: Array) -> Array:
    """The slow part of a picture's colours, (h, w, 3): all that is larger than a cell of a 16×9 grid."""
    height, width = picture.shape[:2]
    cells = cv2.resize(picture, _WASH_GRID, interpolation=cv2.INTER_AREA)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
