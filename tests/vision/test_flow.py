"""Optical flow finds a known motion, and is zero where nothing moves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.vision.flow import FlowEstimator, grey, warp_sharply


@pytest.mark.parametrize("motion", [(4, 0), (0, -3), (-5, 2)])
def test_a_known_translation_is_found_within_a_pixel(picture, motion):
    right, down = motion
    moved = np.roll(picture, (down, right), (0, 1))
    flow = FlowEstimator()(grey(moved), grey(picture))
    found = np.median(flow[20:-20, 20:-20].reshape(-1, 2), axis=0)
    np.testing.assert_allclose(found, (-right, -down), atol=1)


def test_a_slow_motion_is_found_too(picture):
    slow = cv2.warpAffine(picture, np.float32([[1, 0, 0.4], [0, 1, 0]]), (160, 120), flags=cv2.INTER_CUBIC)
    flow = FlowEstimator()(grey(slow), grey(picture))
    np.testing.assert_allclose(np.median(flow[20:-20, 20:-20].reshape(-1, 2), axis=0), (-0.4, 0), atol=0.15)


@pytest.mark.parametrize("levels", [1, 2, 4, 8])
def test_a_still_scene_with_camera_noise_does_not_move_at_all(picture, levels):
    rng = np.random.default_rng(1)
    now, before = (
        np.clip(picture + rng.normal(0, levels, picture.shape), 0, 255).astype(np.uint8) for _ in range(2)
    )
    flow = FlowEstimator()(grey(now), grey(before))
    assert (np.abs(flow).max(2) == 0).mean() > 0.9


def test_only_the_moving_half_of_the_frame_has_flow(picture):
    now = picture.copy()
    now[:, 80:] = np.roll(picture[:, 80:], 3, 1)
    flow = FlowEstimator()(grey(now), grey(picture))
    assert (np.abs(flow[:, :50]).max(2) == 0).mean() > 0.9
    assert np.median(flow[20:-20, 110:-10, 0]) == pytest.approx(-3, abs=0.5)


def test_a_warped_mark_follows_the_image(picture):
    moved = np.roll(picture, (0, 6), (0, 1))
    estimator = FlowEstimator()
    mark = np.zeros((120, 160, 3), np.float32)
    mark[55:65, 75:85] = 50
    after = estimator.warp(mark, estimator(grey(moved), grey(picture)))
    before_x, after_x = (np.average(np.arange(160), weights=m.sum((0, 2))) for m in (mark, after))
    assert abs(after_x - before_x - 6) < 1


def test_an_image_too_small_for_flow_has_none():
    tiny = np.zeros((8, 8), np.uint8)
    assert not FlowEstimator()(tiny, tiny).any()


def test_a_second_of_sharp_warps_keeps_fine_waves_and_lets_none_grow():
    """Waves 6, 8 and 12 pixels long, moved on by a third of a pixel in each of 30 warps."""
    x = np.arange(192, dtype=np.float32)
    waves = [np.tile(np.sin(2 * np.pi * x / period), (64, 1)) for period in (6, 8, 12)]
    flow = np.full((64, 192, 2), -1 / 3, np.float32)
    for wave, least in zip(waves, (0.2, 0.5, 0.85), strict=True):
        warped = wave
        for _ in range(30):
            warped = warp_sharply(warped, flow)
        kept = warped[16:-16, 32:-32].std() / wave.std()
        assert least < kept < 1.02
