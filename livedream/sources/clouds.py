"""Clouds: a procedural sky, shown when there is no camera. Seeing animals in clouds is what DeepDream does.

Cumulus on a plane that recedes towards the horizon. Layers of noise at different scales drift over it at
slightly different speeds, so that clouds grow, merge and dissolve instead of merely passing by:

* *shape* (three layers of smooth noise): where there are clouds; two of them also bend the finer layers;
* *lobes* (a union of half-spheres in three sizes): the cauliflower look of a cumulus;
* *details* (smaller half-spheres and fine noise): its frayed edges.

Their sum is the height of the cloud. It determines the opacity (soft where thin) and the light: the sun is at
the upper left, and the more cloud lies between a point and the sun, the darker the point.
"""

from __future__ import annotations

import time

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.frame import Frame, Image
from livedream.sources.source import Clock, Metronome, Sleep, Source

Field = NDArray[np.float32]  # (h, w)
Plane = tuple[Field, Field]

#: Rendered rows; larger images are scaled up (bicubic), with no visible loss on clouds.
_ROWS = 360
_COARSE = 4  # shape and light vary slowly, so they are computed at a quarter of the rendered size
_FINE_PX, _SHAPE_PX = 1024, 256  # side of a texture, in texels
_DRIFT_HZ = 0.008  # image heights per second, where the sky is nearest
_RECEDE = 0.8  # at the bottom of the image the sky is (1 + this) times as far away
_BEND_PX = 6.0  # how far the shape bends the finer layers: enough to hide that they are rigid
_MARGIN_PX = 48  # texels around a texture, for bends that reach beyond it

_ZENITH = np.array([32, 84, 162], np.float32)
_HORIZON = np.array([162, 200, 228], np.float32)
_SHADE = np.array([88, 104, 138], np.float32)
_SUNLIT = np.array([252, 249, 242], np.float32)

#: Shadows: (blur, shift to the lower right in coarse pixels, weight, how much a point's own height lights it)
_SHADOWS = ((1.3, (1, 2), 0.9, 1.0), (2.8, (2, 4), 1.4, 0.75), (8.0, (4, 9), 0.8, 0.35))
_BRIGHT = 0.77  # light on a flat, unshaded surface; leaves headroom so that the tops are not clipped

CLOUDS_FPS = 30.0


class Clouds:
    """A sky of (width, height) ``size`` pixels, a deterministic function of ``seed`` and time."""

    def __init__(self, size: tuple[int, int] = (1280, 720), seed: int = 5) -> None:
        self.size = size
        scale = min(1.0, _ROWS / min(size))
        self._w, self._h = (max(16, round(side * scale)) for side in size)
        self._cw, self._ch = self._w // _COARSE, self._h // _COARSE
        rng = np.random.default_rng(seed)
        coarse, fine = _receding_plane(self._cw, self._ch), _receding_plane(self._w, self._h)
        self._shapes = [
            _Texture(_smooth_noise(rng, _SHAPE_PX, 2.3, 1, 24), coarse, per_height, velocity, rng)
            for per_height, velocity in ((0.5, (1.0, 0.0)), (0.85, (1.25, 0.12)), (0.85, (0.75, -0.12)))
        ]
        lobes = _domes(rng, 12) + 0.6 * _domes(rng, 26) + 0.3 * _domes(rng, 54)
        puffs = _domes(rng, 44) + 0.6 * _domes(rng, 92)
        details = 0.12 * _standard(puffs) + 0.075 * _smooth_noise(rng, _FINE_PX, 1.35, 40, 400)
        self._lobes = _Texture(0.36 * _standard(lobes), fine, 0.45, (1.05, 0.05), rng)
        self._details = _Texture(details, fine, 0.45, (0.95, -0.1), rng)
        down = ((np.arange(self._h) + 0.5) / self._h)[:, None] ** 1.25  # 0 at the top, 1 at the bottom
        self._down: Field = np.repeat(down, self._w, 1).astype(np.float32)
        # One level of noise, the same in every frame, keeps the smooth gradient from banding in 8 bits.
        dither = rng.uniform(0.0, 1.0, (self._h, self._w, 1))
        self._sky: Field = (_ZENITH + down[:, :, None] * (_HORIZON - _ZENITH) + dither).astype(np.float32)
        # sky·(1 - a) + a·(shade + light·(sunlit - shade)), as a matrix that acts on (a, a·light, a·down)
        self._mix = np.stack([_SHADE - _ZENITH, _SUNLIT - _SHADE, _ZENITH - _HORIZON], 1)
        # Buffers of the rendered size are reused: allocating them would cost more than the arithmetic.
        self._fields = [np.empty((self._h, self._w), np.float32) for _ in range(6)]
        self._colours = [np.empty((self._h, self._w, 3), np.float32) for _ in range(2)]

    def image(self, t_s: float) -> Image:
        """The sky at ``t_s`` seconds, any number: RGB uint8 (H, W, 3), a new array each time."""
        cloud, depth, opacity, light, spare, _ = self._fields
        self._build(t_s, cloud)
        np.maximum(cloud, 0.0, out=depth)
        self._shine(cloud, depth, light)
        np.multiply(depth, depth, out=opacity)
        cv2.exp(cv2.addWeighted(depth, -2.4, opacity, -3.0, 0.0, opacity), opacity)
        np.subtract(1.0, opacity, out=opacity)
        np.multiply(opacity, light, out=light)
        np.multiply(opacity, self._down, out=spare)
        layers, colour = self._colours
        cv2.transform(cv2.merge([opacity, light, spare], layers), self._mix, colour)
        colour += self._sky
        image = colour.astype(np.uint8)  # no clipping needed: every colour is a mean of colours in range
        if (self._w, self._h) == self.size:
            return image
        return np.asarray(cv2.resize(image, self.size, interpolation=cv2.INTER_CUBIC), np.uint8)

    def _build(self, t_s: float, cloud: Field) -> None:
        """Fill ``cloud`` (h, w) with the clouds' height above the edge; negative is clear sky."""
        _, bend_x, bend_y, *_ = self._fields
        first, second, third = (texture.sample(t_s) for texture in self._shapes)
        self._enlarge(0.48 * first + 0.4 * second + 0.4 * third - 0.04, cloud)
        self._enlarge(_BEND_PX * second, bend_x)
        self._enlarge(_BEND_PX * third, bend_y)
        cloud += self._lobes.sample(t_s, (bend_x, bend_y))
        cloud += self._details.sample(t_s, (bend_y, bend_x))

    def _shine(self, cloud: Field, depth: Field, light: Field) -> None:
        """Fill ``light`` (h, w) with 0 (in shade) to 1 (in the sun)."""
        *_, spare, relief = self._fields
        # How much more cloud there is towards the sun than here, at three distances: lobes, heads, bases.
        small = cv2.resize(depth, (self._cw, self._ch), interpolation=cv2.INTER_AREA)
        shade: Field = np.zeros((self._ch, self._cw), np.float32)
        for sigma, (right, below), weight, own in _SHADOWS:
            blurred = cv2.GaussianBlur(small, (0, 0), sigma)
            # The edge of the image is repeated, as if the cloud continued beyond it.
            beyond = cv2.copyMakeBorder(blurred, below, 0, right, 0, cv2.BORDER_REPLICATE)
            shade += weight * (beyond[: self._ch, : self._cw] - own * blurred)
        np.maximum(shade, -0.32, out=shade)
        self._enlarge(np.asarray(_BRIGHT * np.exp(-0.7 * shade), np.float32), light)
        # The finest relief: the slope towards the sun, at full size.
        cv2.blur(cloud, (3, 3), spare)
        np.subtract(spare[4:, 4:], spare[:-4, :-4], out=relief[4:, 4:])
        relief[:4], relief[:, :4] = relief[4], relief[:, 4:5]
        cv2.addWeighted(light, 1.0, relief, 0.3, 0.0, light)
        np.clip(light, 0.0, 1.0, out=light)

    def _enlarge(self, field: Field, out: Field) -> None:
        cv2.resize(field, (self._w, self._h), out, interpolation=cv2.INTER_LINEAR)


class CloudSource(Source):
    """Clouds as a source, at 30 fps; without ``realtime`` as fast as they are read, 1/30 s per frame."""

    name = "clouds"
    kind = "clouds"
    fps = CLOUDS_FPS

    def __init__(
        self,
        size: tuple[int, int] = (1280, 720),
        *,
        realtime: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.size = size
        self._clouds = Clouds(size)
        self._index = 0
        self._metronome = Metronome(CLOUDS_FPS, clock, sleep) if realtime else None
        self._start_s: float | None = None
        self._closed = False

    def __next__(self) -> Frame:
        if self._closed:
            raise StopIteration
        time_s = self._metronome.wait() if self._metronome else self._index / CLOUDS_FPS
        if self._start_s is None:
            self._start_s = time_s
        frame = Frame(self._clouds.image(time_s - self._start_s), self._index, time_s)
        self._index += 1
        return frame

    def close(self) -> None:
        self._closed = True


class _Texture:
    """A tileable texture that drifts over a plane."""

    def __init__(
        self,
        texture: Field,
        plane: Plane,
        per_height: float,
        velocity: tuple[float, float],
        rng: np.random.Generator,
    ) -> None:
        self._period_px = texture.shape[0]
        self._scale = per_height * self._period_px
        self._start = rng.uniform(0.0, 1.0, 2).tolist()
        self._velocity_hz = [per_height * _DRIFT_HZ * axis for axis in velocity]
        self._plane = plane
        self._maps = [np.empty_like(axis) for axis in plane]
        self._sampled = np.empty_like(plane[0])
        # Padded as far as any pixel reaches, because wrapping around while remapping is slow.
        width, height = (self._period_px + int(float(axis.max()) * self._scale) for axis in plane)
        after = [(_MARGIN_PX, side + _MARGIN_PX - self._period_px) for side in (height, width)]
        self._texture = np.pad(texture, after, mode="wrap")

    def sample(self, t_s: float, bend: Plane | None = None) -> Field:
        """The texture on its plane at ``t_s``, displaced by ``bend`` texels; valid until the next call."""
        for axis in (0, 1):
            tiles = (self._start[axis] - t_s * self._velocity_hz[axis]) % 1.0
            plane, extra = self._plane[axis], self._plane[axis] if bend is None else bend[axis]
            offset_px = tiles * self._period_px + _MARGIN_PX
            gain = 0.0 if bend is None else 1.0
            cv2.addWeighted(plane, self._scale, extra, gain, offset_px, self._maps[axis])
        cv2.remap(self._texture, self._maps[0], self._maps[1], cv2.INTER_LINEAR, self._sampled)
        return self._sampled


def _receding_plane(width: int, height: int) -> Plane:
    """The point of the sky's plane at each pixel, in image heights: x and y, (h, w), from 0."""
    x, y = (np.arange(width) + 0.5) / width - 0.5, (np.arange(height) + 0.5) / height
    far = 1.0 + _RECEDE * y * y
    plane_x = x[None, :] * far[:, None] * (width / height)
    plane_y = np.repeat((1.15 * (y + _RECEDE * y**3 / 3))[:, None], width, 1)
    return (plane_x - plane_x.min()).astype(np.float32), plane_y.astype(np.float32)


def _smooth_noise(rng: np.random.Generator, side: int, falloff: float, low: int, high: int) -> Field:
    """Tileable noise (side, side), standardised: ``low`` to ``high`` waves, amplitude ∝ waves^-falloff."""
    spectrum = np.fft.rfft2(rng.standard_normal((side, side), np.float32))
    waves = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * side
    spectrum *= np.where((waves >= low) & (waves <= high), np.maximum(waves, 1) ** -falloff, 0)
    return _standard(np.fft.irfft2(spectrum, s=(side, side)))


def _domes(rng: np.random.Generator, count: int) -> Field:
    """A tileable texture of ``count``² half-spheres at scattered positions, 0 to 1."""
    step = _FINE_PX / count
    corners = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1)
    x, y = ((corners + rng.uniform(0.0, 1.0, corners.shape)) * step).astype(int).reshape(-1, 2).T % _FINE_PX
    away = np.full((_FINE_PX, _FINE_PX), 255, np.uint8)
    away[y, x] = 0
    pad = int(step) + 1  # a half-sphere reaches no further
    around = cv2.copyMakeBorder(away, pad, pad, pad, pad, cv2.BORDER_WRAP)
    distance = cv2.distanceTransform(around, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[pad:-pad, pad:-pad]
    square = 1.0 - (distance / (0.95 * step)) ** 2
    return np.asarray(np.sqrt(np.maximum(0.0, square)), np.float32)


def _standard(field: NDArray[np.floating]) -> Field:
    """``field`` with mean 0 and standard deviation 1."""
    return np.asarray((field - field.mean()) / field.std(), np.float32)
