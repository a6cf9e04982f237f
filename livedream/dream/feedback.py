"""Feedback: what is carried from one frame's dream to the next.

Three maps, kept by OpenCV on the host, where the camera's image already is: the *residual* (the dream minus
the frame it was dreamt on), its *momentum* (the mean of recent directions, which damps the flicker of
jittered gradients), and its *novelty* (1 where a dream begins, falling to 0 as it settles). All three move
with the image, and are dropped where the flow fails or something new comes into view.

Everything here works over time and not per tick: a slow machine and a fast one carry on the same dream.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.curves import decay
from livedream.dream.bands import scaled_by_band
from livedream.dream.resampling import resampled, same_view
from livedream.dream.residual import (
    Residual,
    flow_confidence,
    scene_similarity,
    soft_limit,
    unstretched,
    within_range,
)
from livedream.dream.visitors import Visitors
from livedream.frame import Array, Image, resize
from livedream.settings import Settings
from livedream.vision.flow import CUBIC, Flow, FlowEstimator, grey, warp_sharply
from livedream.vision.plainness import plainness

#: Half-life of novelty.
NOVELTY_S = 0.22
#: The least novelty where the image moves: directions are soon out of date there, and motion hides flicker.
MOVING_NOVELTY = 0.25
#: Motion counts in full from this speed on, in image widths a second (about 30 pixels a second at 320).
_MOVING_WIDTHS_PER_S = 0.094
#: Where a dream is new it loses its momentum: the fraction novelty² of it in each such time, in seconds.
UNLEARN_S = 1 / 60
#: Half-lives of the dream's octaves of frequency, the finest first, in parts of ``Settings.persistence_s``:
#: large forms stay and grow, fine detail has to be found again and again, or it would pile up as noise.
LASTS = (0.33, 1.0)
#: How much shorter steps are where the camera's image is plain and the dream has settled: a wall stays calm.
SHORTER = 0.35
#: How much slower a dream fades at full feedback: there is no camera image to hold it against.
FEEDBACK_LASTS = 0.6
#: Half-life of the residual's slow colour washes, and the grid whose cells are the largest that is not slow.
WASH_S, WASH_GRID = 0.45, (16, 9)


class Feedback:
    """What is carried, at working size: ``residual`` and ``momentum`` (h, w, 3) and ``novelty`` (h, w).

    The residual is in levels of 255, the momentum in units of a normalised gradient. It begins with nothing,
    or with ``residual``: with the ``frame`` (RGB uint8) that this was dreamt on, it is moved from there.
    ``plain`` (h, w) is how plain the last frame is, 0 to 1.
    """

    def __init__(self, residual: Residual | None = None, frame: Image | None = None) -> None:
        self._flow = FlowEstimator()
        self._visitors = Visitors()
        self._first = residual
        self._frame: Image | None = None
        self._grey: Image | None = None
        #: Seconds since the frame changed. A camera may be slower than the ticks: several see the same frame.
        self._frame_age_s = 0.0
        self.residual: Residual = np.zeros((0, 0, 3), np.float32)
        self.momentum: Array = self.residual
        self.novelty: Array = np.zeros((0, 0), np.float32)
        self.plain: Array = self.novelty
        if residual is not None and frame is not None:
            self._frame, self._grey = frame, grey(frame)
            height, width = self._grey.shape
            self.residual = resampled(residual, width, height)
            self.momentum = np.zeros((height, width, 3), np.float32)
            self.novelty = np.zeros((height, width), np.float32)  # it has settled
            self.plain = plainness(self._grey)

    def follow(self, frame: Image, settings: Settings, elapsed_s: float) -> None:
        """Move everything from the last frame to ``frame`` (RGB uint8 (h, w, 3)), ``elapsed_s`` later.

        The residual fades on the way, and novelty with it.
        """
        now = grey(frame)
        height, width = now.shape
        self._frame_age_s += elapsed_s
        self._visitors.see(now, settings, elapsed_s)
        # What begins in this tick is half a tick old in the mean.
        new = np.float32(decay(NOVELTY_S, elapsed_s / 2))
        if self._frame is None or self._grey is None:
            self.residual, self.momentum = np.zeros((2, height, width, 3), np.float32)
            if self._first is not None:
                self.residual = resize(self._first, width, height).copy()
            self.novelty = np.full((height, width), new)
        elif self._grey.shape != now.shape:
            last = self._at_size(width, height)
            if last is None:
                self.residual = scaled_by_band(self.residual, fades(settings, elapsed_s))
                self.novelty *= np.float32(decay(NOVELTY_S, elapsed_s))
            else:
                self._move(frame, now, last, settings, elapsed_s, new)
        else:
            self._move(frame, now, (self._frame, self._grey), settings, elapsed_s, new)
        if self._grey is None or not np.array_equal(now, self._grey):
            self._frame_age_s = 0.0
            self.plain = plainness(now)
        self._frame, self._grey = frame, now

    def _at_size(self, width: int, height: int) -> tuple[Image, Image] | None:
        """Bring everything to another working size; the last frame and its grey there, if it shows the same
        part of the image: then the dream goes on as if nothing had happened."""
        assert self._frame is not None
        self.residual = resampled(self.residual, width, height)
        self.momentum = resampled(self.momentum, width, height)
        self.novelty = resize(self.novelty, width, height).clip(0, 1)
        frame = same_view(self._frame, width, height)
        return None if frame is None else (frame, grey(frame))

    def _move(
        self,
        frame: Image,
        now: Image,
        last: tuple[Image, Image],
        settings: Settings,
        elapsed_s: float,
        new: np.float32,
    ) -> None:
        warp, feedback, (image, before) = self._flow.warp, np.float32(settings.feedback), last
        flow, keep, moving = movement(
            self._flow, self._visitors, now, before, settings, elapsed_s, self._frame_age_s
        )
        lasting = self._visitors.lasting(keep, settings.persistence_s, elapsed_s)
        if flow.any():
            # Without a camera's image nothing else would smooth what is fed back again and again.
            self.residual = warp_sharply(self.residual, flow, CUBIC * (1 - settings.feedback))
            self.momentum, self.novelty = (warp(array, flow) for array in (self.momentum, self.novelty))
        left = fades(settings, elapsed_s)
        mirrored = faded(scaled_by_band(self.residual, left), lasting)
        if feedback:
            fed_back = self._fed_back(frame, image, flow, np.float32(left[-1]) * lasting, elapsed_s)
            mirrored += feedback * (fed_back - mirrored)
        self.residual = mirrored
        self.momentum = faded(self.momentum, keep)
        age(self.novelty, keep, moving, elapsed_s, new)

    def _fed_back(self, frame: Image, before: Image, flow: Flow, fade: Array, elapsed_s: float) -> Residual:
        """The residual when the last dreamt image, not only the last residual, is fed back."""
        image = self._flow.warp(before, flow).astype(np.float32) + self.residual
        ground = washes(image)
        ground += np.float32(1 - decay(WASH_S, elapsed_s)) * (washes(frame.astype(np.float32)) - ground)
        return np.asarray(ground + faded(image - ground, fade) - frame)

    def reach(self) -> Array:
        """How much longer or shorter than elsewhere steps are at each place, (h, w)."""
        return self._visitors.reach(self.novelty)

    def pace(self, settings: Settings, step_s: float) -> tuple[Array, Array]:
        """How long steps are at each place, and how much momentum is kept by one that stands for ``step_s``.

        Both are (h, w). Where a dream is new it attacks: steps are longer, and no old momentum slows them
        down. Once it has settled, it is calm where the camera's image is plain.
        """
        lengths = 1 + np.float32(settings.attack - 1) * self.novelty
        lengths *= 1 - np.float32(SHORTER * (1 - settings.feedback)) * self.plain * (1 - self.novelty)
        lengths *= np.float32(settings.step_size) * self.reach()
        kept: Array = cv2.pow(1 - self.novelty**2, step_s / UNLEARN_S)
        kept *= np.float32(decay(settings.momentum_s, step_s))
        return lengths, kept

    def settle(self, residual: Residual, momentum: Array, settings: Settings, elapsed_s: float) -> Residual:
        """Take over what this tick dreamt, without its slow colour washes and within its limits."""
        assert self._frame is not None
        self.momentum = momentum
        kept = decay(WASH_S, elapsed_s * (1 - settings.feedback))
        residual -= np.float32(1 - kept) * washes(residual)
        limit = settings.residual_limit + (255 - settings.residual_limit) * settings.feedback
        self.residual = within_range(soft_limit(residual, limit, elapsed_s), self._frame, elapsed_s)
        return self.residual


def fades(settings: Settings, elapsed_s: float) -> tuple[float, ...]:
    """What time leaves of each octave of the residual's frequencies, the finest first.

    A dream that is fed back keeps its detail: there it is the image itself.
    """
    half_life_s = settings.persistence_s / (1 - FEEDBACK_LASTS * settings.feedback)
    parts = (part + (1 - part) * settings.feedback for part in LASTS)
    return tuple(decay(half_life_s * part, elapsed_s) for part in parts)


def faded(array: Array, by: Array) -> Array:
    """``array`` (h, w, 3) times a map (h, w)."""
    return cv2.multiply(array, cv2.merge([by, by, by]))


def displacement(shape: tuple[int, int], settings: Settings, elapsed_s: float) -> Flow | None:
    """Where each pixel of a zooming, turning, shifting dream came from, (h, w, 2) px; None: at rest."""
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


def movement(
    estimator: FlowEstimator,
    visitors: Visitors,
    now: Image,
    before: Image,
    settings: Settings,
    elapsed_s: float,
    age_s: float,
) -> tuple[Flow, Array, Array | None]:
    """Where the dream was before, from grey ``before`` to ``now`` and by the settings; how much of it to keep
    there; and how new motion makes it, None without any.

    ``elapsed_s`` is the time of the tick, ``age_s`` that between the two images.
    """
    feedback = np.float32(settings.feedback)
    flow = estimator(now, before)
    keep = visitors.held(flow_confidence(now, estimator.warp(before, flow)))
    keep *= np.float32(scene_similarity(now, before))
    moving = None
    if flow.any():
        keep *= unstretched(flow)
        moving = np.float32(MOVING_NOVELTY) * motion(flow, age_s)
    if feedback:
        flow *= 1 - feedback
        keep += feedback * (1 - keep)
    drift = displacement(now.shape, settings, elapsed_s)
    if drift is not None:
        flow += drift
    return flow, keep, moving


def age(novelty: Array, keep: Array, moving: Array | None, elapsed_s: float, new: np.float32) -> None:
    """Let ``novelty`` fade, in place; what is not kept is as novel as ``new``, what moves as ``moving``."""
    novelty *= np.float32(decay(NOVELTY_S, elapsed_s))
    np.maximum(novelty, new * (1 - keep), out=novelty)
    if moving is not None:
        np.maximum(novelty, moving, out=novelty)


def motion(flow: Flow, elapsed_s: float) -> Array:
    """Where the image has moved along ``flow`` (h, w, 2) in ``elapsed_s``: (h, w), softly from 0 to 1."""
    height, width = flow.shape[:2]
    small = cv2.resize(flow, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    fast_px = width * _MOVING_WIDTHS_PER_S * max(elapsed_s, 1e-3)
    speed = np.minimum(np.hypot(small[..., 0], small[..., 1]) / np.float32(fast_px), 1)
    return cv2.resize(cv2.blur(speed, (3, 3)), (width, height), interpolation=cv2.INTER_LINEAR)


def washes(image: Array) -> Array:
    """The slow part of an image's colours, (h, w, 3): everything larger than a cell of a 16×9 grid."""
    height, width = image.shape[:2]
    cells = cv2.resize(image, WASH_GRID, interpolation=cv2.INTER_AREA)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
