"""Another working size is no jump: the dream is as strong, and where it was."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.dream.feedback import Feedback
from livedream.dream.resampling import resampled
from livedream.frame import resize
from livedream.settings import Settings


def rms(array) -> float:
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))


@pytest.fixture
def residual():
    """Random detail from the finest to the coarsest, with the spectrum of a dream."""
    random, total = np.random.default_rng(0), np.zeros((180, 320, 3), np.float32)
    for size, level in (((320, 180), 4), ((160, 90), 9), ((80, 45), 11), ((40, 22), 10)):
        noise = random.normal(0, level, (size[1], size[0], 3)).astype(np.float32)
        total += cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)
    return total


@pytest.mark.parametrize("width", [192, 256, 384, 512, 640, 1280])
def test_another_size_is_as_strong_and_in_the_same_place(residual, width):
    height = 2 * round(width * 9 / 32)
    found = resampled(residual, width, height)
    assert found.shape == (height, width, 3)
    assert rms(found) == pytest.approx(rms(residual), rel=0.03)
    before, after = (cv2.GaussianBlur(resize(r, 960, 540), (0, 0), 4) for r in (residual, found))
    assert rms(after - before) < 0.12 * rms(before)


def test_neighbouring_sizes_look_the_same_on_the_screen(residual):
    before = resize(residual, 1280, 720)
    for width, most in ((256, 0.36), (384, 0.18)):
        after = resize(resampled(residual, width, 2 * round(width * 9 / 32)), 1280, 720)
        assert rms(after) == pytest.approx(rms(before), rel=0.03)
        assert rms(after - before) < most * rms(before)


def test_nothing_stays_nothing_and_the_same_size_the_same_array(residual):
    assert not resampled(np.zeros_like(residual), 128, 72).any()
    assert resampled(residual, 320, 180) is residual


def test_the_dream_moves_on_with_the_image_while_its_size_changes(residual):
    random = np.random.default_rng(1)
    scene = cv2.GaussianBlur(random.uniform(0, 255, (240, 440, 3)).astype(np.float32), (0, 0), 3)
    scene = np.clip((scene - 127) * 6 + 127, 0, 255).astype(np.uint8)
    first, second = (np.ascontiguousarray(scene[20:200, x : x + 320]) for x in (20, 26))
    feedback, settings = Feedback(), Settings(persistence_s=60.0)
    feedback.follow(first, settings, 1 / 30)
    feedback.residual, feedback.momentum = residual, residual / 10
    feedback.follow(np.asarray(resize(second, 256, 144), np.uint8), settings, 1 / 30)
    moved = np.roll(residual, -6, axis=1)
    shown = resize(feedback.residual, 320, 180)
    inner = (slice(30, 150), slice(40, 260))
    errors = [rms(shown[inner] - image[inner]) for image in (moved, residual)]
    assert errors[0] < 0.6 * errors[1]


def test_another_part_of_the_image_is_not_followed(residual):
    feedback = Feedback()
    feedback.follow(np.zeros((180, 320, 3), np.uint8), Settings(), 1 / 30)
    feedback.follow(np.zeros((240, 320, 3), np.uint8), Settings(), 1 / 30)
    assert feedback.residual.shape == (240, 320, 3)
    assert feedback.novelty.shape == (240, 320)
