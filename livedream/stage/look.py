"""How and where the dream is mixed with the camera, computed at working size to keep it cheap.

A change of ``mix`` or ``mask`` crossfades.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from livedream.curves import smoothstep
from livedream.frame import Array, Image, resize
from livedream.settings import Settings
from livedream.vision.outline import fitted
from livedream.vision.presence import PresenceDetector

#: (weight of the full-resolution camera under the dream, saturation of the dream, ink) per mix, each 0..1.
_MIXES = {
    "over": (1.0, 1.0, 0.0),
    "dream": (0.0, 1.0, 0.0),
    "luminance": (1.0, 0.0, 0.0),
    "ink": (1.0, 0.0, 1.0),
}
#: Where a vignette starts and stops falling off: distance from the centre, as a fraction of that to a corner.
_VIGNETTE = (0.2, 0.9)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Mixture:
    """The camera's weight under the dream and the dream's saturation, each 0..1, and where the dream shows.

    ``mask`` is (h, w) in 0..1, or None for everywhere. By ``ink`` (0..1) the picture is a drawing.
    """

    camera: float
    saturation: float
    mask: Array | None
    ink: float = 0.0


class Look:
    """Turns the settings ``mix``, ``mask`` and ``vignette`` into a mixture, with crossfades between them."""

    def __init__(self) -> None:
        self._wanted = ("", "")
        self._before: Mixture | None = None
        self._last: Mixture | None = None
        self._changed_s = self._transition_s = 0.0
        self._vignette: tuple[tuple[float, int, int], Array] | None = None

    def now(
        self,
        settings: Settings,
        presence: PresenceDetector | None,
        size: tuple[int, int],
        time_s: float,
        transition_s: float | None = None,
        small: Image | None = None,
    ) -> Mixture:
        """The mixture for a dream of ``size`` (w, h) over the frame captured at ``time_s``.

        ``presence`` supplies the masks; without it the dream shows everywhere. The outline of a visitor is
        fitted to ``small``, that frame at ``size``, if given. A change of mix or mask that
        this call brings takes ``transition_s`` seconds, or ``settings.crossfade_s`` for None.
        """
        if (settings.mix, settings.mask) != self._wanted:
            self._wanted = settings.mix, settings.mask
            self._before, self._changed_s = self._last, time_s
            self._transition_s = settings.crossfade_s if transition_s is None else transition_s
        camera, saturation, ink = _MIXES[settings.mix]
        target = Mixture(camera, saturation, _mask(settings.mask, presence, size, small), ink)
        if self._before is not None:
            progress = (time_s - self._changed_s) / max(1e-6, self._transition_s)
            if 0 <= progress < 1:
                target = _between(self._before, target, smoothstep(progress), size)
            else:
                self._before = None
        self._last = target
        if settings.vignette == 0:
            return target
        vignette = self._vignetted(settings.vignette, size)
        mask = vignette if target.mask is None else target.mask * vignette
        return replace(target, mask=mask)

    def _vignetted(self, amount: float, size: tuple[int, int]) -> Array:
        key = (amount, *size)
        if self._vignette is None or self._vignette[0] != key:
            self._vignette = key, vignette_mask(amount, size)
        return self._vignette[1]


def vignette_mask(amount: float, size: tuple[int, int]) -> Array:
    """The dream's weight at each pixel, (h, w) in 0..1, for a ``vignette`` of -1..1.

    Above 0 the dream fades out towards the corners, below 0 towards the centre.
    """
    across, down = (np.abs(np.arange(side, dtype=np.float32) / max(1, side - 1) * 2 - 1) for side in size)
    distance = np.hypot(across[None, :], down[:, None]) / np.sqrt(2)
    x = np.clip((distance - _VIGNETTE[0]) / (_VIGNETTE[1] - _VIGNETTE[0]), 0, 1)
    outside = x * x * (3 - 2 * x)  # smoothstep, on an array
    return np.asarray(1 - amount * outside if amount > 0 else 1 + amount * (1 - outside), np.float32)


def overlay_of(
    residual: Array, small: Image, mixture: Mixture, strength: float, alpha: float
) -> tuple[Array, Array | None]:
    """The layer (h, w, 3) to add to the camera, and the camera's weight (h, w), or None for 1 everywhere.

    ``small`` is the camera frame at the residual's size. Where the mix hides the full-resolution camera, the
    layer is ``small`` plus the residual; strengths below 1 let the camera through, so that strength 0 is the
    camera in every mix. ``alpha`` (0..1) fades the whole dream.
    """
    if mixture.saturation < 1:
        luminance = cv2.transform(residual, _LUMA[None, :])[..., None]
        residual = luminance + mixture.saturation * (residual - luminance)
    layer = residual * np.float32(strength * alpha)
    if mixture.mask is not None:
        layer *= mixture.mask[..., None]
    hidden = (1 - mixture.camera) * min(1.0, strength) * alpha
    if hidden <= 0:
        return layer, None
    mask = np.ones(layer.shape[:2], np.float32) if mixture.mask is None else mixture.mask
    mask = mask * np.float32(hidden)
    return layer + small * mask[..., None], 1 - mask


def _mask(
    name: str, presence: PresenceDetector | None, size: tuple[int, int], small: Image | None
) -> Array | None:
    if name == "everywhere" or presence is None or presence.outline is None or presence.moving is None:
        return None
    if name == "moving":
        return np.asarray(np.clip(resize(presence.moving, *size), 0, 1), np.float32)
    outline = presence.outline
    visitor = resize(outline, *size) if small is None else fitted(outline, small)
    visitor = np.asarray(np.clip(visitor, 0, 1), np.float32)
    return 1 - visitor if name == "background" else visitor


def _between(before: Mixture, after: Mixture, weight: float, size: tuple[int, int]) -> Mixture:
    """``before`` at weight 0, ``after`` at weight 1."""

    def blended(a: float, b: float) -> float:
        return a + weight * (b - a)

    mask = None
    if before.mask is not None or after.mask is not None:
        one = np.ones((1, 1), np.float32)
        first = one if before.mask is None else resize(before.mask, *size)
        second = one if after.mask is None else after.mask
        mask = np.asarray(first + np.float32(weight) * (second - first), np.float32)
    return Mixture(
        blended(before.camera, after.camera),
        blended(before.saturation, after.saturation),
        mask,
        blended(before.ink, after.ink),
    )
