"""The room in front of the mirror: what is always there, what is not, what moves, and if somebody is here.

A camera changes its exposure when somebody in white comes in, lamps flicker, rolling shutters turn that
into bands, the sun wanders. So brightness says little; what counts is structure. Every look compares the
picture with the learnt background in logarithms (a change of light is then a sum), takes off the change of
light of each row, and looks only at what stands out from its neighbourhood.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image, resize

#: Longer side of the picture that is looked at: a head ten metres away is still some pixels.
LOOK_PX = 160
#: Looks at the room in a second: enough to see somebody come in within a fifth of a second.
LOOK_HZ = 15.0

_NEIGHBOURHOOD_PX = 9
#: Added to a level before the logarithm: below it, a sensor shows mostly noise.
_DARK = 16.0
_CLIPPED_LOW, _CLIPPED_HIGH = 6.0, 247.0
#: Noise of a good camera in logarithms, squared: nothing is more certain than that.
_LEAST_NOISE = 0.008**2
#: How many times the noise is no change yet, and how large a share of the background's own structure may
#: be missing when contrast changes with the light.
_NOISE_TIMES, _CONTRAST_SHARE = 10.0, 0.5**2
#: Time constant, in seconds, with which the background follows slow changes.
_LEARN_S = 8.0
#: What was put there becomes background when no part of it has moved for so long. Who stands as still as a
#: statue still moves a little within this time.
_ABSORB_S = 30.0
#: A larger share of the picture than this, changed between two looks, is a cut or a switched lamp.
_UPHEAVAL_SHARE = 0.35
#: Shares of the picture, changed or moving, that are nobody for sure and somebody for sure.
_NOBODY_SHARE, _SOMEBODY_SHARE = 0.004, 0.016
#: Presence above the first is somebody; only below the second is it nobody again.
_COME, _GONE = 0.6, 0.25
#: Time constants of presence, up and down, in seconds.
_ARRIVE_S, _LEAVE_S = 0.16, 3.0
#: Time constants of the soft masks, up and down, in seconds.
_MASK_RISE_S, _MASK_FALL_S = 0.15, 0.9


class PresenceDetector:
    """Learns the background of a camera that stands still, and tells what is in front of it.

    :meth:`see` takes pictures; between looks, and before the first two, everything is as it was.
    ``presence`` (0..1) says how surely somebody is here, ``somebody`` the same with hysteresis,
    ``arrivals`` how often it became true. ``moving`` and ``in_front`` are soft masks (h, w) in 0..1 of
    :data:`LOOK_PX` pixels, or None before the first look.
    """

    def __init__(self) -> None:
        self.presence = 0.0
        self.somebody = False
        self.arrivals = 0
        self.moving: Array | None = None
        self.in_front: Array | None = None
        self._background: Array | None = None
        self._looks = 0
        self._time_s = 0.0

    def see(self, image: Image, time_s: float) -> None:
        """Look at a grey picture (H, W) uint8 captured at ``time_s``; most pictures are not looked at."""
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
        self._noise = np.full(levels.shape, 4 * _LEAST_NOISE, np.float32)
        self._before = np.zeros_like(levels)
        self._before_that = self._before
        self._unmoved_s = np.zeros_like(levels)
        if self.moving is None or self.moving.shape != levels.shape:
            self.moving, self.in_front = np.zeros_like(levels), np.zeros_like(levels)
        self._looks = 1

    def _look(self, levels: Array, passed_s: float) -> None:
        assert self._background is not None
        now = np.log(levels + _DARK)
        clear = (levels > _CLIPPED_LOW) & (levels < _CLIPPED_HIGH)
        light = _light_of_rows(now - self._background, clear)
        # What the background would look like in today's light, on a sensor that clips.
        expected = np.clip(
            self._background + light, np.log(_CLIPPED_LOW + _DARK), np.log(_CLIPPED_HIGH + _DARK)
        )
        detail, background = _detail(np.clip(now, expected.min(), expected.max())), _detail(expected)
        level_change = np.abs(now - expected)
        error = detail - background
        # A sensor's noise is about the same in levels everywhere, so in logarithms it is larger in the dark.
        in_levels = np.square((error - self._before) * (levels + _DARK))
        now_noise = 1.5 * float(np.median(in_levels[::2, ::2]))
        noise = np.maximum(self._noise, now_noise / np.square(levels + _DARK))
        texture = _CONTRAST_SHARE * _mean(np.square(background))
        changed = _share(_mean(np.square(error)), _NOISE_TIMES * noise + texture)
        # Motion is a change of the difference from the background, so light falls out of it as well. Against
        # the last look but one: what moves slowly needs a moment to differ.
        moved = _share(_mean(np.square(error - self._before_that)), _NOISE_TIMES * noise + 0.5 * texture)
        # An upheaval would pass for noise: it is measured against the noise of before.
        sudden = _mean(np.square(error - self._before)) > _NOISE_TIMES * 4 * self._noise + texture
        if float(sudden.mean()) > _UPHEAVAL_SHARE:
            self._begin(levels)
            return
        self._before, self._before_that = error, self._before
        self._looks += 1
        self._unmoved_s = np.where(_likely(moved), 0.0, self._unmoved_s + passed_s)
        self._learn(now - light, error, changed, clear, passed_s)
        self._judge(changed, moved, level_change, passed_s)

    def _learn(self, now: Array, error: Array, changed: Array, clear: Array, passed_s: float) -> None:
        # Beside somebody the picture is not the background's either.
        there = cv2.dilate((changed > 0.5).astype(np.uint8), _SQUARE)
        count, body = cv2.connectedComponents(there)
        # As long as any part of what is there moves now and then, it is somebody, and none of it is absorbed.
        alive = np.zeros(count, bool)
        alive[body[self._unmoved_s < _ABSORB_S]] = True
        absorbed = (there > 0) & ~alive[body]
        followed = np.float32(max(_pace(passed_s, _LEARN_S), 1 / self._looks))
        pace = np.where(there > 0, absorbed.astype(np.float32), followed)
        self._background += np.where(clear | absorbed, pace, 0.0) * (now - self._background)
        self._noise += np.where(absorbed, 0.0, pace) * (np.square(error) - self._noise)
        np.clip(self._noise, _LEAST_NOISE, None, out=self._noise)
        self._before[absorbed] = self._before_that[absorbed] = 0.0  # a new background is no motion

    def _judge(self, changed: Array, moved: Array, level_change: Array, passed_s: float) -> None:
        share = max(_area(changed), _area(moved))
        sure = float(np.clip((share - _NOBODY_SHARE) / (_SOMEBODY_SHARE - _NOBODY_SHARE), 0, 1))
        # A jump of the light can look like motion for two looks: however slow the camera, that is too short.
        constant_s = _LEAVE_S if sure < self.presence else _ARRIVE_S * max(1.0, passed_s * LOOK_HZ)
        self.presence += (sure - self.presence) * _pace(passed_s, constant_s)
        if not self.somebody and self.presence > _COME:
            self.somebody = True
            self.arrivals += 1
        elif self.somebody and self.presence < _GONE:
            self.somebody = False
        assert self.moving is not None
        assert self.in_front is not None
        # A body's plain inside has no structure to compare, only its level: believed beside structure.
        filled = np.maximum(changed, np.minimum(level_change / 0.35, 1) * cv2.dilate(changed, _SQUARE))
        filled = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, _SQUARE)
        self.in_front = _glide(self.in_front, _soft(filled), passed_s)
        self.moving = _glide(self.moving, _soft(cv2.morphologyEx(moved, cv2.MORPH_CLOSE, _SQUARE)), passed_s)


_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
_SQUARE = np.ones((21, 21), np.uint8)  # a wide disc costs ten times as much


def _mean(array: Array) -> Array:
    return cv2.blur(array, (_NEIGHBOURHOOD_PX, _NEIGHBOURHOOD_PX))


def _detail(levels: Array) -> Array:
    """What stands out from its neighbourhood, a little smoothed against noise."""
    return np.asarray(cv2.blur(levels, (3, 3)) - cv2.blur(levels, (15, 15)))


def _light_of_rows(difference: Array, clear: Array) -> Array:
    """The change of light in each row (h, 1), by the pixels that are neither clipped nor somebody."""
    if clear[::2, ::2].mean() < 0.05:
        return np.zeros((len(clear), 1), np.float32)
    middle = float(np.median(difference[::2, ::2][clear[::2, ::2]]))
    weight = (clear & (np.abs(difference - middle) < 0.35)).astype(np.float32)
    rows = weight.sum(1, keepdims=True)
    few = 0.1 * clear.shape[1]  # rows with few such pixels lean on the picture's own middle
    light = ((weight * difference).sum(1, keepdims=True) + few * middle) / (rows + few)
    return np.asarray(cv2.blur(light, (1, 3)).reshape(-1, 1), np.float32)


def _share(error: Array, tolerated: Array) -> Array:
    return np.asarray(error / (error + tolerated), np.float32)


def _likely(certainty: Array) -> Array:
    """Where it is more likely than not, lonely pixels left out."""
    return np.asarray(cv2.morphologyEx((certainty > 0.5).astype(np.uint8), cv2.MORPH_OPEN, _DISC) > 0)


def _area(certainty: Array) -> float:
    return float(_likely(certainty).mean())


def _pace(passed_s: float, constant_s: float) -> float:
    return float(1 - np.exp(-passed_s / constant_s))


def _soft(certainty: Array) -> Array:
    """A mask without hard edges: sure inside, falling off within some pixels."""
    return cv2.GaussianBlur(np.clip((certainty - 0.35) / 0.3, 0, 1).astype(np.float32), (0, 0), 3.0)


def _glide(mask: Array, target: Array, passed_s: float) -> Array:
    pace = np.where(target > mask, _pace(passed_s, _MASK_RISE_S), _pace(passed_s, _MASK_FALL_S))
    return np.asarray(mask + pace * (target - mask), np.float32)
