"""How the dream is mixed with the camera, and where: all of it at working size, where it costs little.

A change of ``mix`` or ``where`` is a crossfade, like everything else that changes in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livedream.frame import Array, Image, resize
from livedream.settings import Settings
from livedream.vision.presence import PresenceDetector

#: (sharp camera under the dream, the dream's own colours) of each mix, each in 0..1.
_MIXES = {"over": (1.0, 1.0), "dream": (0.0, 1.0), "luminance": (1.0, 0.0)}
#: Distances from the centre, as shares of the way to a corner, between which a vignette falls off.
_VIGNETTE = (0.2, 0.9)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Mixture:
    """How much of the sharp camera stays under the dream, how much of the dream's colour is used, in 0..1,
    and where the dream is: a mask (h, w) in 0..1, or None for everywhere."""

    camera: float
    colour: float
    mask: Array | None


class Look:
    """Follows the settings ``mix``, ``where``, ``vignette`` and ``crossfade_s``."""

    def __init__(self) -> None:
        self._wanted = ("", "")
        self._before: Mixture | None = None
        self._last: Mixture | None = None
        self._changed_s = 0.0
        self._vignette: tuple[tuple[float, int, int], Array] | None = None

    def now(
        self, settings: Settings, room: PresenceDetector, size: tuple[int, int], time_s: float
    ) -> Mixture:
        """The mixture for a dream of ``size`` (w, h) over the frame captured at ``time_s``."""
        if (settings.mix, settings.mask) != self._wanted:
            self._wanted = settings.mix, settings.mask
            self._before, self._changed_s = self._last, time_s
        target = Mixture(*_MIXES[settings.mix], _mask(settings.mask, room, size))
        if self._before is not None:
            passed = (time_s - self._changed_s) / max(1e-6, settings.crossfade_s)
            if 0 <= passed < 1:
                target = _between(self._before, target, passed, size)
            else:
                self._before = None
        self._last = target
        if settings.vignette == 0:
            return target
        vignette = self._vignetted(settings.vignette, size)
        mask = vignette if target.mask is None else target.mask * vignette
        return Mixture(target.camera, target.colour, mask)

    def _vignetted(self, amount: float, size: tuple[int, int]) -> Array:
        key = (amount, *size)
        if self._vignette is None or self._vignette[0] != key:
            self._vignette = key, vignette_mask(amount, size)
        return self._vignette[1]


def vignette_mask(amount: float, size: tuple[int, int]) -> Array:
    """How much of the dream there is at each pixel (h, w) for a ``vignette`` of -1..1, in 0..1.

    Above 0 the dream fades out towards the corners, below 0 towards the centre.
    """
    x, y = (np.abs(np.arange(side, dtype=np.float32) / max(1, side - 1) * 2 - 1) for side in size)
    distance = np.hypot(x[None, :], y[:, None]) / np.sqrt(2)
    part = np.clip((distance - _VIGNETTE[0]) / (_VIGNETTE[1] - _VIGNETTE[0]), 0, 1)
    outside = part * part * (3 - 2 * part)
    return np.asarray(1 - amount * outside if amount > 0 else 1 + amount * (1 - outside), np.float32)


def overlay_of(
    residual: Array, small: Image, mixture: Mixture, strength: float, share: float
) -> tuple[Array, Array | None]:
    """The layer (h, w, 3) to add to the camera, and how much of the camera to keep: (h, w), or None for all.

    ``small`` is the camera at the residual's size. A dream without the camera under it is the camera at
    working size with the residual on it; strengths below 1 let the sharp camera through there, so that
    strength 0 is the camera in every mix.
    """
    if mixture.colour < 1:
        brightness = cv2.transform(residual, _LUMA[None, :])[..., None]
        residual = brightness + mixture.colour * (residual - brightness)
    layer = residual * np.float32(strength * share)
    if mixture.mask is not None:
        layer *= mixture.mask[..., None]
    instead = (1 - mixture.camera) * min(1.0, strength) * share
    if instead <= 0:
        return layer, None
    mask = np.ones(layer.shape[:2], np.float32) if mixture.mask is None else mixture.mask
    mask = mask * np.float32(instead)
    return layer + small * mask[..., None], 1 - mask


def _mask(where: str, room: PresenceDetector, size: tuple[int, int]) -> Array | None:
    if where == "everywhere" or room.in_front is None or room.moving is None:
        return None
    mask = room.moving if where == "moving" else np.maximum(room.in_front, room.moving)
    large = resize(1 - mask if where == "background" else mask, *size)
    return np.asarray(np.clip(large, 0, 1), np.float32)


def _between(before: Mixture, after: Mixture, passed: float, size: tuple[int, int]) -> Mixture:
    share = passed * passed * (3 - 2 * passed)

    def mixed(a: float, b: float) -> float:
        return a + share * (b - a)

    mask = None
    if before.mask is not None or after.mask is not None:
        one = np.ones((1, 1), np.float32)
        first = one if before.mask is None else resize(before.mask, *size)
        second = one if after.mask is None else after.mask
        mask = np.asarray(first + np.float32(share) * (second - first), np.float32)
    return Mixture(mixed(before.camera, after.camera), mixed(before.colour, after.colour), mask)
