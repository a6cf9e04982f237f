"""A dream's colours are smooth, and held back where the camera has none; its luminance stays as it is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.stage.colours import CHROMA, LUMA, coloured

GREY = np.full((60, 80, 3), 128, np.uint8)
#: A dream of one colour: (h, w, 3) in levels, without luminance.
GREEN = np.full((60, 80, 3), np.array([-40, 30, -30]) @ CHROMA.T, np.float32)


def plain(*colour: int):
    return np.full((60, 80, 3), colour, np.uint8)


def left_on(frame, dream=GREEN, restraint=1.0, gain=1.0) -> float:
    """The fraction of the dream's chroma that is left over ``frame``."""
    return float(np.linalg.norm(coloured(dream, frame, restraint, gain)) / np.linalg.norm(dream))


@pytest.mark.parametrize("restraint", [0.0, 0.5, 1.0])
def test_the_luminance_is_never_touched(picture, restraint):
    dream = np.random.default_rng(3).normal(0, 40, picture.shape).astype(np.float32)
    np.testing.assert_allclose(coloured(dream, picture, restraint, 1.0) @ LUMA, dream @ LUMA, atol=1e-3)


def test_colour_noise_is_smoothed_and_large_colours_stay():
    noise = np.random.default_rng(3).normal(0, 40, (60, 80, 3)).astype(np.float32) @ CHROMA.T
    assert left_on(GREY, noise.astype(np.float32), 0.0) < 0.35
    blobs = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 6)
    assert left_on(GREY, blobs, 0.0) > 0.95


def test_colours_are_held_back_where_the_camera_has_none():
    blue, grey = left_on(plain(40, 90, 200)), left_on(GREY)
    assert grey < 0.3
    assert blue > 2 * grey
    assert left_on(GREY, restraint=0.0) == pytest.approx(1, abs=1e-3)
    assert grey < left_on(GREY, restraint=0.5) < 1


@pytest.mark.parametrize(
    "skin", [(224, 172, 140), (150, 100, 70), (90, 56, 38)], ids=["light", "brown", "dark"]
)
def test_skin_is_protected_and_a_shirt_as_colourful_is_not(skin):
    assert left_on(plain(*skin)) < 0.75 * left_on(plain(*skin[::-1]))


def test_in_the_dark_and_near_white_there_is_less_room():
    assert left_on(plain(20, 20, 20)) < 0.5 * left_on(GREY)
    assert left_on(plain(250, 250, 250)) < 0.7 * left_on(GREY)


def test_weak_colours_are_hardly_held_back_and_strong_ones_hardly_grow():
    assert left_on(GREY, 0.05 * GREEN) > 0.75
    one, three = (gain * left_on(GREY, gain=gain) for gain in (1.0, 3.0))
    assert three < 1.3 * one
