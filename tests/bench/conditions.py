"""Clips of what is hard for a mirror, made from a video: the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from livedream.frame import Array, Image

#: A camera in the dark: how much of the light is left, its read noise in levels, and how many electrons make
#: a level.
_LIGHT, _READ_LEVELS, _ELECTRONS = 0.15, 2.5, 2.0
#: Noise of neighbouring pixels is alike once the camera has made colours of it: blurred by so many pixels.
_GRAIN_PX = 0.7
_NOISY_LEVELS, _USUAL_LEVELS = 15.0, 2.0
#: What a blown-out window leaves of the room, and its place: left, top, right, bottom, in widths and heights.
_ROOM, _WINDOW = 0.4, (0.58, 0.05, 0.95, 0.75)
_SPEED, _SHAKE_PX = 4, 6.0
_CROWD = 3


@dataclass(frozen=True)
class Clip:
    """``frames`` are what the camera gives, ``clean`` the same without noise; RGB uint8 (h, w, 3)."""

    frames: list[Image]
    clean: list[Image]


def _levels(image: Array) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Noise of standard deviation 1, alike in neighbouring pixels."""
    grain = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), _GRAIN_PX)
    return np.asarray(grain / grain.std())


def _noisy(clean: Sequence[Image], deviation: Callable[[Array], Array], seed: int = 5) -> Clip:
    rng = np.random.default_rng(seed)
    frames = [
        _levels(image + deviation(image.astype(np.float32)) * _grain(image.shape, rng)) for image in clean
    ]
    return Clip(frames, list(clean))


def unchanged(frames: Sequence[Image]) -> Clip:
    """The video itself."""
    return Clip(list(frames), list(frames))


def dark(frames: Sequence[Image]) -> Clip:
    """Too little light: photon noise and read noise, in 8 bits."""
    clean = [_levels(frame * np.float32(_LIGHT)) for frame in frames]
    return _noisy(clean, lambda image: np.sqrt(_READ_LEVELS**2 + image / _ELECTRONS))


def noisy(frames: Sequence[Image]) -> Clip:
    """Enough light, and a very noisy sensor."""
    return _noisy(frames, lambda image: np.full_like(image, _NOISY_LEVELS))


def window(frames: Sequence[Image]) -> Clip:
    """A blown-out window behind: the room is dark, and light spills over its edges."""
    height, width = frames[0].shape[:2]
    left, top, right, bottom = (
        round(side * of) for side, of in zip(_WINDOW, (width, height) * 2, strict=True)
    )
    light = np.zeros((height, width, 1), np.float32)
    light[top:bottom, left:right] = 1
    light = np.maximum(light[..., 0], 0.6 * cv2.GaussianBlur(light, (0, 0), width / 40))[..., None]
    clean = [_levels(frame * np.float32(_ROOM) + 300 * light) for frame in frames]
    return _noisy(clean, lambda image: np.where(image < 254, np.float32(_USUAL_LEVELS), 0))


def fast(frames: Sequence[Image]) -> Clip:
    """Four times as fast, in a hand that shakes; as long as it was by playing back and forth."""
    rng = np.random.default_rng(5)
    height, width = frames[0].shape[:2]
    played = list(frames[::_SPEED])
    order = [*range(len(played)), *range(len(played) - 2, 0, -1)]
    place = np.zeros(2, np.float32)
    clean = []
    for n in range(len(frames)):
        place = place * np.float32(0.8) + rng.normal(0, _SHAKE_PX, 2).astype(np.float32)
        move = np.array([[1, 0, place[0]], [0, 1, place[1]]], np.float32)
        image = played[order[n % len(order)]]
        shaken = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        clean.append(np.asarray(shaken, np.uint8))
    return unchanged(clean)


def crowd(frames: Sequence[Image]) -> Clip:
    """Three people close together: the middle of the image side by side, each at another time."""
    height, width = frames[0].shape[:2]
    part = width // _CROWD
    left = (width - part) // 2
    clean = []
    for n in range(len(frames)):
        parts = []
        for person in range(_CROWD):
            image = frames[(n + 37 * person) % len(frames)][:, left : left + part]
            parts.append(image[:, ::-1] if person % 2 else image)
        clean.append(np.asarray(cv2.resize(np.hstack(parts), (width, height)), np.uint8))
    return unchanged(clean)


def still(frames: Sequence[Image]) -> Clip:
    """A room in which nothing happens, seen by a usual sensor."""
    return _noisy([frames[0]] * len(frames), lambda image: np.full_like(image, _USUAL_LEVELS))


#: Every condition by name.
CONDITIONS: dict[str, Callable[[Sequence[Image]], Clip]] = {
    "clean": unchanged,
    "dark": dark,
    "noisy": noisy,
    "window": window,
    "fast": fast,
    "crowd": crowd,
    "still": still,
}
