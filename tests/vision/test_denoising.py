"""A noisy camera's image is calm where it stands still, and a clean one passes as it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.frame import Image
from livedream.vision.denoising import Denoiser, noise_between
from livedream.vision.flow import grey

TICK_S = 1 / 30


def noisy(image: Image, levels: float, rng: np.random.Generator) -> Image:
    return np.clip(np.rint(image + rng.normal(0, levels, image.shape)), 0, 255).astype(np.uint8)


@pytest.fixture
def scene():
    """A soft scene of 120×160 pixels, far from black and white."""
    rough = np.random.default_rng(2).random((120, 320, 3), np.float32)
    soft = cv2.GaussianBlur(rough, (0, 0), 6)
    return (60 + 120 * (soft - soft.min()) / np.ptp(soft)).astype(np.uint8)


def error(found: Image, true: Image) -> float:
    return float((found.astype(np.float32) - true).std())


@pytest.mark.parametrize("levels", [1.0, 3.0, 10.0])
def test_noise_is_measured(scene, levels):
    rng = np.random.default_rng(0)
    before, now = (grey(noisy(scene, levels, rng)) for _ in range(2))
    true = levels * np.linalg.norm([0.299, 0.587, 0.114])
    assert noise_between(now, before) == pytest.approx(true, rel=0.35)


def test_a_moving_scene_is_not_noise(scene):
    assert noise_between(grey(np.roll(scene, 3, 1)), grey(scene)) < 0.5


def test_black_and_white_say_nothing_about_noise():
    dark, light = (np.full((120, 160), level, np.uint8) for level in (0, 255))
    assert noise_between(dark, dark) is None
    assert noise_between(light, light) is None


def test_a_clean_camera_is_passed_on_as_it_is(scene):
    denoiser = Denoiser()
    for n in range(20):
        frame = np.ascontiguousarray(scene[:, n : n + 160])
        assert denoiser(frame, TICK_S) is frame


@pytest.mark.parametrize("rate_hz", [15, 60])
def test_what_stands_still_is_calm_whatever_the_rate(scene, rate_hz):
    rng, denoiser = np.random.default_rng(0), Denoiser()
    for _ in range(2 * rate_hz):
        frame = noisy(scene, 8, rng)
        seen = denoiser(frame, 1 / rate_hz)
    assert error(seen, scene) < 0.35 * error(frame, scene)


def test_what_moves_is_seen_where_it_is(scene):
    rng, denoiser = np.random.default_rng(0), Denoiser()
    for n in range(30):
        true = scene[:, :160].copy()
        true[40:80, 3 * n : 3 * n + 40] = 230
        seen = denoiser(noisy(true, 6, rng), TICK_S)
    assert error(seen[45:75, 95:120], true[45:75, 95:120]) < 4  # inside it
    assert error(seen[45:75, 60:80], true[45:75, 60:80]) < 4  # what it has uncovered


def test_a_frame_that_comes_twice_is_seen_once(scene):
    rng, denoiser = np.random.default_rng(0), Denoiser()
    for _ in range(5):
        frame = noisy(scene, 8, rng)
        seen = denoiser(frame, TICK_S)
        known = denoiser.noise
        assert denoiser(frame.copy(), TICK_S) is seen
        assert denoiser.noise == known


def test_noise_that_ends_is_forgotten_and_another_size_begins_anew(scene):
    rng, denoiser = np.random.default_rng(0), Denoiser()
    for _ in range(30):
        denoiser(noisy(scene, 8, rng), TICK_S)
    small = np.ascontiguousarray(scene[::2, ::2])
    assert denoiser(small, TICK_S).shape == small.shape
    for n in range(300):
        seen = denoiser(small + np.uint8(n % 2), TICK_S)
    assert np.array_equal(seen, small + np.uint8(1))
