"""Contours of an enlarged layer become steep: no halos, and no noise that was not there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.stage.contours import bend, bent, grid_scale
from livedream.stage.painting import lay_over, quantised

BLACK = np.zeros((360, 480, 3), np.uint8)


def soft_step(degrees: float = 0.0):
    """A layer (60, 80, 3) of 50 levels on one side and 150 on the other, blurred, turned by an angle."""
    y, x = np.indices((60, 80), np.float32)
    across = (x - 39.5) * np.cos(np.deg2rad(degrees)) + (y - 29.5) * np.sin(np.deg2rad(degrees))
    return np.repeat((100 + 50 * np.tanh(across / 1.5))[..., None], 3, 2).astype(np.float32)


def width_px(row) -> float:
    """Over how many pixels a row rises from a tenth to nine tenths of a step from 50 to 150."""
    return float(np.interp(140, row, np.arange(len(row))) - np.interp(60, row, np.arange(len(row))))


@pytest.mark.parametrize("scale", [1, 2])
def test_a_soft_contour_gets_steep_without_a_halo(scale):
    layer = soft_step()
    small, step, low = quantised(layer)
    large, _ = bent(small, None, bend(layer, scale), scale)
    row = large[30 * scale, :, 0] * step + low
    assert width_px(row) / scale < 0.8 * width_px(layer[30, :, 0])
    assert row.min() >= 48
    assert row.max() <= 152


@pytest.mark.parametrize("degrees", [0, 20, 45, 90])
def test_a_contour_is_as_steep_in_every_direction(degrees):
    nothing = np.zeros((60, 80), np.float32)
    shown = lay_over(BLACK, soft_step(degrees), (480, 360), nothing)[..., 0].astype(np.float32)
    steepest = np.hypot(
        cv2.Sobel(shown, -1, 1, 0, scale=1 / 8), cv2.Sobel(shown, -1, 0, 1, scale=1 / 8)
    ).max()
    assert 8.5 < steepest < 13


def test_weak_noise_stays_as_weak():
    noise = np.random.default_rng(1).normal(100, 3, (60, 80, 3)).astype(np.float32)
    small, step, low = quantised(noise)
    large, _ = bent(small, None, bend(noise, 2), 2)
    plainly = cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC)
    assert np.std(large * step + low) < 1.02 * np.std(plainly * step + low)


def test_the_cameras_weight_is_bent_with_the_layer():
    layer = soft_step()
    small, _, _ = quantised(layer)
    _, weight = bent(small, small[..., 0].copy(), bend(layer, 2), 2)
    large, _ = bent(small, None, bend(layer, 2), 2)
    np.testing.assert_array_equal(weight, large[..., 0])


def test_a_large_layer_is_not_enlarged_and_one_that_fits_not_bent():
    assert grid_scale(320, 1920) == 2
    assert grid_scale(320, 3840) == 3
    assert grid_scale(640, 1920) == 1
    assert grid_scale(1280, 1280) == 0
