"""Visitor detection: learns the background in front of a fixed camera, and detects what differs or moves.

Brightness is unreliable: exposure adapts when somebody in white comes in, lamps flicker, rolling shutters
turn that into bands, and the sun moves. So the detector compares structure. It takes the logarithm of the
frame and of the background (a change of light becomes an offset), removes the offset of each row, and
compares only local detail.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image, resize
from livedream.vision.outline import outlined

#: Longer side of the analysed image: a head at ten metres still covers a few pixels.
LOOK_PX = 160
#: Analysed frames per second: enough to notice a visitor within a fifth of a second.
LOOK_HZ = 15.0

_NEIGHBOURHOOD_PX = 9
#: Added to a level before the logarithm: levels below it are mostly sensor noise.
_DARK = 16.0
_CLIPPED_LOW, _CLIPPED_HIGH = 6.0, 247.0
#: Noise variance of a good camera, in logarithms: the lower limit of the estimate.
_MIN_NOISE = 0.008**2
#: An error below this multiple of the noise is no change, nor is one below this fraction of the background's
#: own structure, because contrast varies with the light.
_NOISE_FACTOR, _CONTRAST_TOLERANCE = 10.0, 0.5**2
#: Time constant, in seconds, with which the background follows slow changes.
_LEARN_S = 8.0
#: An object becomes background when no part of it has moved for this long. Even a person standing very still
#: moves a little within this time.
_ABSORB_S = 30.0
#: If more of the image than this fraction changes between two looks, it is a cut or a lamp being switched.
_CUT_FRACTION = 0.35
#: Fractions of the image, changed or moving, that certainly are nobody and certainly are somebody.
_NOBODY_FRACTION, _SOMEBODY_FRACTION = 0.004, 0.016
#: Hysteresis: somebody arrives above the first presence, and has left only below the second.
_COME, _GONE = 0.6, 0.25
#: Time constants of presence, rising and falling, in seconds.
_ARRIVE_S, _LEAVE_S = 0.16, 3.0
#: Time constants of the soft masks, rising and falling, in seconds.
_MASK_RISE_S, _MASK_FALL_S = 0.15, 0.9
#: Time constant of the outline, in seconds: slower, it would trail behind a body.
_OUTLINE_S = 0.07


class PresenceDetector:
    """Learns the background of a fixed camera, and detects what is in front of it.

    Feed it frames with :meth:`see`. ``presence`` (0..1) is the confidence that somebody is there,
    ``somebody`` the same with hysteresis, ``arrivals`` counts how often that became true. ``moving`` and
    ``in_front``, which reach beyond a visitor, and ``outline``, which does not, are soft (h, w) in 0..1,
    :data:`LOOK_PX` on the longer side; None before any frame. ``learnt_s`` is for how long the background has
    been learnt.
    """

    def __init__(self) -> None:
        self.presence = 0.0
        self.somebody = False
        self.arrivals = 0
        self.learnt_s = 0.0
        self.moving: Array | None = None
        self.in_front: Array | None = None
        self.outline: Array | None = None
        self._background: Array | None = None
        self._looks = 0
        self._time_s = 0.0

    @property
    def motion(self) -> float:
        """The fraction (0..1) of what is in front of the background that moves; 1 where nothing is."""
        if self.in_front is None or self.moving is None:
            return 1.0
        there = float(np.maximum(self.in_front, self.moving).sum())
        return float(self.moving.sum()) / there if there > 0 else 1.0

    def see(self, image: Image, time_s: float) -> None:
        """Take a grey frame (H, W) uint8 captured at ``time_s``; only :data:`LOOK_HZ` a second are used."""
        passed_s = time_s - self._time_s
        if self._background is not None and 0 <= passed_s < 0.9 / LOOK_HZ:
            return
        scale = LOOK_PX / max(image.shape)
        small = resize(image, *(max(16, round(side * scale)) for side in image.shape[::-1]))
        levels = small.astype(np.float32)
        self._time_s = time_s
        if self._background is None or self._background.shape != levels.shape or not 0 <= passed_s < 5:
            self._begin(levels)
            return
        self._look(levels, passed_s)

    def _begin(self, levels: Array) -> None:
        self._background = np.log(levels + _DARK)
        self._noise = np.full(levels.shape, 4 * _MIN_NOISE, np.float32)
        self._before = np.zeros_like(levels)
        self._before_that = self._before
        self._unmoved_s = np.zeros_like(levels)
        if self.moving is None or self.moving.shape != levels.shape:
            self.moving, self.in_front, self.outline = (np.zeros_like(levels) for _ in range(3))
        self._looks = 1
        self.learnt_s = 0.0

    def _look(self, levels: Array, passed_s: float) -> None:
        assert self._background is not None
        now = np.log(levels + _DARK)
        clear = (levels > _CLIPPED_LOW) & (levels < _CLIPPED_HIGH)
        light = _light_of_rows(now - self._background, clear)
        # What the background would look like in the current light, on a sensor that clips.
        expected = np.clip(
            self._background + light, np.log(_CLIPPED_LOW + _DARK), np.log(_CLIPPED_HIGH + _DARK)
        )
        detail, background = _detail(np.clip(now, expected.min(), expected.max())), _detail(expected)
        level_change = np.abs(now - expected)
        error = detail - background
        # Sensor noise is about the same in levels everywhere, so in logarithms it is larger in the dark.
        in_levels = np.square((error - self._before) * (levels + _DARK))
        now_noise = 1.5 * float(np.median(in_levels[::2, ::2]))
        noise = np.maximum(self._noise, now_noise / np.square(levels + _DARK))
        texture = _CONTRAST_TOLERANCE * _mean(np.square(background))
        changed = _certainty(_mean(np.square(error)), _NOISE_FACTOR * noise + texture)
        # Motion is a change of the error, so changes of light cancel out here, too. It is measured against
        # the last look but one, because slow motion takes a moment to show.
        moved = _certainty(_mean(np.square(error - self._before_that)), _NOISE_FACTOR * noise + 0.5 * texture)
        # A cut raises the current noise estimate, so it is measured against the previous one.
        sudden = _mean(np.square(error - self._before)) > _NOISE_FACTOR * 4 * self._noise + texture
        if float(sudden.mean()) > _CUT_FRACTION:
            self._begin(levels)
            return
        self._before, self._before_that = error, self._before
        self._looks += 1
        self.learnt_s += passed_s
        self._unmoved_s = np.where(_likely(moved), 0.0, self._unmoved_s + passed_s)
        self._learn(now - light, error, changed, clear, passed_s)
        self._judge(changed, moved, level_change, passed_s)

    def _learn(self, now: Array, error: Array, changed: Array, clear: Array, passed_s: float) -> None:
        # The surroundings of a person do not look like the background either.
        there = cv2.dilate((changed > 0.5).astype(np.uint8), _SQUARE)
        count, body = cv2.connectedComponents(there)
        # While any part of an object moves now and then it may be a person: none of it is absorbed.
        alive = np.zeros(count, bool)
        alive[body[self._unmoved_s < _ABSORB_S]] = True
        absorbed = (there > 0) & ~alive[body]
        followed = np.float32(max(_gain(passed_s, _LEARN_S), 1 / self._looks))
        gain = np.where(there > 0, absorbed.astype(np.float32), followed)
        self._background += np.where(clear | absorbed, gain, 0.0) * (now - self._background)
        self._noise += np.where(absorbed, 0.0, gain) * (np.square(error) - self._noise)
        np.clip(self._noise, _MIN_NOISE, None, out=self._noise)
        self._before[absorbed] = self._before_that[absorbed] = 0.0  # a new background is not motion

    def _judge(self, changed: Array, moved: Array, level_change: Array, passed_s: float) -> None:
        area = max(_area(changed), _area(moved))
        sure = float(np.clip((area - _NOBODY_FRACTION) / (_SOMEBODY_FRACTION - _NOBODY_FRACTION), 0, 1))
        # A jump in the light can look like motion for two looks, at any frame rate: that must not be enough.
        constant_s = _LEAVE_S if sure < self.presence else _ARRIVE_S * max(1.0, passed_s * LOOK_HZ)
        self.presence += (sure - self.presence) * _gain(passed_s, constant_s)
        if not self.somebody and self.presence > _COME:
            self.somebody = True
            self.arrivals += 1
        elif self.somebody and self.presence < _GONE:
            self.somebody = False
        assert self.moving is not None
        assert self.in_front is not None
        assert self.outline is not None
        # The plain inside of a body has no structure, only a level: that counts next to changed structure.
        filled = np.maximum(changed, np.minimum(level_change / 0.35, 1) * cv2.dilate(changed, _SQUARE))
        filled = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, _SQUARE)
        self.in_front = _follow(self.in_front, _soft(filled), passed_s)
        self.moving = _follow(self.moving, _soft(cv2.morphologyEx(moved, cv2.MORPH_CLOSE, _SQUARE)), passed_s)
        near = np.maximum(self.in_front, self.moving)
        self.outline += _gain(passed_s, _OUTLINE_S) * (outlined(level_change, near) - self.outline)


_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_SQUARE = np.ones((21, 21), np.uint8)  # a wide disc costs ten times as much


def _mean(array: Array) -> Array:
    return cv2.blur(array, (_NEIGHBOURHOOD_PX, _NEIGHBOURHOOD_PX))


def _detail(levels: Array) -> Array:
    """Local detail: the difference from the neighbourhood, slightly smoothed against noise."""
    return np.asarray(cv2.blur(levels, (3, 3)) - cv2.blur(levels, (15, 15)))


def _light_of_rows(difference: Array, clear: Array) -> Array:
    """The change of light in each row (h, 1), from pixels that are neither clipped nor a person."""
    if clear[::2, ::2].mean() < 0.05:
        return np.zeros((len(clear), 1), np.float32)
    median = float(np.median(difference[::2, ::2][clear[::2, ::2]]))
    weight = (clear & (np.abs(difference - median) < 0.35)).astype(np.float32)
    rows = weight.sum(1, keepdims=True)
    few = 0.1 * clear.shape[1]  # rows with few such pixels lean on the median of the image
    light = ((weight * difference).sum(1, keepdims=True) + few * median) / (rows + few)
    return np.asarray(cv2.blur(light, (1, 3)).reshape(-1, 1), np.float32)


def _certainty(error: Array, tolerated: Array) -> Array:
    return np.asarray(error / (error + tolerated), np.float32)


def _likely(certainty: Array) -> Array:
    """Where ``certainty`` is above a half, without isolated pixels."""
    return np.asarray(cv2.morphologyEx((certainty > 0.5).astype(np.uint8), cv2.MORPH_OPEN, _DISC) > 0)


def _area(certainty: Array) -> float:
    return float(_likely(certainty).mean())


def _gain(passed_s: float, constant_s: float) -> float:
    return float(1 - np.exp(-passed_s / constant_s))


def _soft(certainty: Array) -> Array:
    """A mask without hard edges: 1 inside, falling off within a few pixels."""
    return cv2.GaussianBlur(np.clip((certainty - 0.35) / 0.3, 0, 1).astype(np.float32), (0, 0), 3.0)


def _follow(mask: Array, target: Array, passed_s: float) -> Array:
    gain = np.where(target > mask, _gain(passed_s, _MASK_RISE_S), _gain(passed_s, _MASK_FALL_S))
    return np.asarray(mask + gain * (target - mask), np.float32)
