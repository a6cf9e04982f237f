"""Metrics of a dream: strength, economy, flicker, legibility, clipping. Images are RGB uint8 (h, w, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image
from livedream.runtimes.base import Backend
from livedream.vision.flow import Flow, grey

_SHIFTS = 4
_JITTER_PX = 16
#: Pixels whose flow there and back misses by more than this are occluded in one of the two frames.
_LOST_PX = 1.0
_BORDER_PX = 8
#: What a Gaussian of the first removes is fine, what one of the second leaves is coarse, in pixels.
_FINE_PX, _COARSE_PX = 1.0, 4.0
#: Crops that a classifier judges: this many side by side, in rows of the whole height and of half of it.
_CROPS, _CROP_PX = (3, 4), 224
#: Flow that leaves, averaged over such a window, no less than this fraction of the difference without it has
#: found nothing: on a flat wall any flow explains the frame.
_WINDOW, _FOUND_NOTHING, _NO_DIFFERENCE = (21, 21), 1 / 1.2, 0.05


def strength(backend: Backend, layer: str, dreamt: Image, camera: Image, seed: int = 0) -> float:
    """Log of the layer's activation norm on ``dreamt`` over that on ``camera``, under random jitter."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for shift in rng.integers(-_JITTER_PX, _JITTER_PX + 1, (_SHIFTS, 2)).tolist():
        norms = [
            np.linalg.norm(backend.features(np.roll(_float(image) / 255, shift, (0, 1)), layer))
            for image in (dreamt, camera)
        ]
        total += float(np.log(norms[0] / norms[1]))
    return total / _SHIFTS


def economy(dreamt: Image, camera: Image) -> dict[str, float]:
    """What a dream changes: ``rms``, all of it, and ``fine``, its finest part, in levels, and ``coarse``, the
    share of its energy in large forms."""
    change = _float(dreamt) - _float(camera)
    fine = change - cv2.GaussianBlur(change, (0, 0), _FINE_PX)
    coarse = cv2.GaussianBlur(change, (0, 0), _COARSE_PX)
    energy, of_fine, of_coarse = (float(np.square(part).mean()) for part in (change, fine, coarse))
    return {"rms": energy**0.5, "fine": of_fine**0.5, "coarse": of_coarse / max(1e-9, energy)}


def crops(image: Image) -> Array:
    """Squares of an image that together cover it, overlapping: (n, 224, 224, 3)."""
    height, width = image.shape[:2]
    found = []
    for row, columns in enumerate(_CROPS, 1):
        side = min(height // row, width)
        for top in np.linspace(0, height - side, row).astype(int):
            for left in np.linspace(0, width - side, columns).astype(int):
                square = image[top : top + side, left : left + side]
                found.append(cv2.resize(square, (_CROP_PX, _CROP_PX), interpolation=cv2.INTER_CUBIC))
    return np.stack(found)


class Motion:
    """The motion between two camera frames, by a slower and better flow than the dream's own.

    It is zero where it explains the frames no better than no motion does; ``flow_alone`` is the flow without
    this.
    """

    def __init__(self, now: Image, before: Image) -> None:
        there, back = _flow(now, before), _flow(before, now)
        lost = np.linalg.norm(there + _warped(back, there), axis=2) > _LOST_PX
        lost = cv2.dilate(lost.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        self.flow, self.flow_alone = there.copy(), there
        moved, stood = (_difference(now, image) for image in (_warped(_float(before), there), before))
        self.flow[moved >= _FOUND_NOTHING * (stood - _NO_DIFFERENCE)] = 0
        self.seen = ~lost  # (h, w): visible in both frames
        self.seen[:_BORDER_PX] = self.seen[-_BORDER_PX:] = False
        self.seen[:, :_BORDER_PX] = self.seen[:, -_BORDER_PX:] = False
        self.speed_px = float(np.linalg.norm(there, axis=2)[self.seen].mean())

    def change(self, now: Image, before: Image, flow: Flow | None = None) -> float:
        """Flicker: mean difference between ``now`` and ``before`` warped to it, in levels of 255."""
        moved = _warped(_float(before), self.flow if flow is None else flow)
        return float(np.abs(_float(now) - moved)[self.seen].mean())


def _difference(now: Image, other: Array) -> Array:
    return np.asarray(cv2.blur(np.abs(_float(now) - _float(other)).mean(2), _WINDOW))


def _float(image: Array) -> Array:
    return np.asarray(image, np.float32)


def _flow(now: Image, before: Image) -> Flow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dis.calc(grey(now), grey(before), None), np.float32)  # type: ignore[call-overload]


def _warped(array: Array, flow: Flow) -> Array:
    rows, columns = np.indices(flow.shape[:2], np.float32)
    return cv2.remap(
        array, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def legibility(dreamt: Image, camera: Image) -> float:
    """Structural similarity (Wang et al., 2004) of the luminance of both, low-passed by 1/80 of the width."""
    a, b = (
        cv2.GaussianBlur(grey(image).astype(np.float32), (0, 0), image.shape[1] / 80)
        for image in (dreamt, camera)
    )

    def mean(x: Array) -> Array:
        return cv2.GaussianBlur(x, (11, 11), 1.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return float(similarity.mean())


def clipped(dreamt: Image, camera: Image) -> float:
    """The fraction of the image where the worst channel is clipped and the camera's is not."""
    ends = ((dreamt == 0) & (camera > 0)) | ((dreamt == 255) & (camera < 255))
    return float(ends.mean((0, 1)).max())
