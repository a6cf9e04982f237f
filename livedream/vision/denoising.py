"""What a network should see of a noisy camera: its image without most of the noise.

Where the scene stands still, noise is averaged away over time; where it moves, a little over space. How much
of that happens follows from the noise itself: a clean camera's image is passed on as it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.curves import decay
from livedream.frame import Array, Image
from livedream.vision.flow import grey

#: Half-lives of the average over a still part, and of the estimate of the noise, which is renewed so often.
_AVERAGE_S, _ESTIMATE_S, _RENEWED_S = 0.5, 1.0, 0.1
#: Noise (standard deviation of grey, in levels) up to the first is left alone; from the second on it is
#: suppressed in full.
_LITTLE_LEVELS, _MUCH_LEVELS = 0.8, 2.0
#: Motion is looked for in cells of so many pixels. Where the mean of a cell differs from the average by up to
#: the first multiple of the noise it stands still, from the second on it moves.
_CELL_PX, _STILL, _MOVES = 4, 0.7, 1.6
#: Noise is estimated at half the size, in the calmest quarter of the cells, each of so many pixels there, ...
_CALM, _ESTIMATED_PX = 0.25, 4
#: ... leaving out those that are all but black or white, where a sensor shows none.
_BLACK, _WHITE = 3, 250
#: The second difference, by rows and by columns, of the difference of two frames at half the size.
_SECOND_DIFFERENCE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
#: From its mean absolute value to the standard deviation of one frame's white noise: the weights' norm is 6,
#: two frames have twice the variance, half the size a quarter of it.
_TO_DEVIATION = float(np.sqrt(np.pi / 2) / 6 / np.sqrt(2) * 2)


class Denoiser:
    """Takes frame after frame of one camera. Not thread-safe."""

    def __init__(self) -> None:
        self._grey: Image | None = None
        self._shown: Image | None = None
        self._mean: Array | None = None
        self._age_s, self._estimated_s = 0.0, 0.0
        #: The standard deviation of the camera's noise in grey, in levels; None before the second frame.
        self.noise: float | None = None

    def __call__(self, frame: Image, elapsed_s: float) -> Image:
        """``frame`` (RGB uint8 (h, w, 3)), ``elapsed_s`` after the last one, without most of its noise."""
        self._age_s += elapsed_s
        now, before = grey(frame), self._grey
        if before is None or before.shape != now.shape:
            self._mean = None
        elif np.array_equal(now, before):  # the camera is slower than the ticks
            assert self._shown is not None
            return self._shown
        else:
            self._estimate(now, before)
        amount = float(_ramp(np.float32(self.noise or 0), _LITTLE_LEVELS, _MUCH_LEVELS))
        self._shown = self._without_noise(frame, now, amount) if amount else frame
        if not amount:
            self._mean = None
        self._grey, self._age_s = now, 0.0
        return self._shown

    def _estimate(self, now: Image, before: Image) -> None:
        self._estimated_s += self._age_s
        if self.noise is not None and self._estimated_s < _RENEWED_S:
            return
        found = noise_between(now, before)
        if found is not None:
            known = found if self.noise is None else self.noise
            self.noise = found + (known - found) * decay(_ESTIMATE_S, self._estimated_s)
        self._estimated_s = 0.0

    def _without_noise(self, frame: Image, now: Image, amount: float) -> Image:
        """``frame``, in grey ``now``, averaged where it stands still and blurred where it moves.

        ``amount`` is from 0, not at all, to 1.
        """
        smooth = cv2.GaussianBlur(frame, (5, 5), 0).astype(np.float32)
        if self._mean is None:
            self._mean = smooth
        moves = self._moving(now, self._mean)
        kept = decay(_AVERAGE_S, self._age_s) * (1 - moves)
        new = cv2.blendLinear(smooth, frame.astype(np.float32), moves, 1 - moves)
        self._mean = cv2.blendLinear(self._mean, new, kept, 1 - kept)
        if amount == 1:
            return np.asarray(cv2.convertScaleAbs(self._mean), np.uint8)
        return np.asarray(
            cv2.addWeighted(self._mean, amount, frame, 1 - amount, 0, dtype=cv2.CV_8U), np.uint8
        )

    def _moving(self, now: Image, mean: Array) -> Array:
        """Where the grey image ``now`` is not what the average was: (h, w), softly from 0 to 1."""
        assert self.noise is not None
        height, width = now.shape
        cells = -(-width // _CELL_PX), -(-height // _CELL_PX)
        change = cv2.absdiff(
            *(
                cv2.resize(image, cells, interpolation=cv2.INTER_AREA)
                for image in (now.astype(np.float32), cv2.cvtColor(mean, cv2.COLOR_RGB2GRAY))
            )
        )
        moves = _ramp(cv2.blur(change, (3, 3)), _STILL * self.noise, _MOVES * self.noise)
        return cv2.resize(moves, (width, height), interpolation=cv2.INTER_LINEAR)


def noise_between(now: Image, before: Image) -> float | None:
    """The standard deviation of the noise in two grey images (h, w); None when they are black or white."""
    half = now.shape[1] // 2, now.shape[0] // 2
    cells = max(1, half[0] // _ESTIMATED_PX), max(1, half[1] // _ESTIMATED_PX)
    difference = cv2.resize(cv2.subtract(now, before, dtype=cv2.CV_32F), half, interpolation=cv2.INTER_AREA)
    rough = np.abs(cv2.filter2D(difference, cv2.CV_32F, _SECOND_DIFFERENCE))
    by_cell, light = (cv2.resize(image, cells, interpolation=cv2.INTER_AREA) for image in (rough, now))
    seen = by_cell[(light >= _BLACK) & (light <= _WHITE)]
    calm = round(_CALM * (seen.size - 1))
    return float(np.partition(seen, calm)[calm]) * _TO_DEVIATION if seen.size else None


def _ramp(x: Array | np.float32, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, linear between."""
    return np.asarray(np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1), np.float32)
