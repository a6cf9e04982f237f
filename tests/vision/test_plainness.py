"""Where an image is plain: compared with the rest of it, and whatever the sensor's noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.vision.plainness import plainness


@pytest.fixture
def room():
    """A plain wall on the left, a textured visitor on the right, with a sensor's noise: (90, 160)."""
    rng = np.random.default_rng(4)
    image = np.full((90, 160), 120, np.float32)
    image[:, 96:] += 40 * cv2.GaussianBlur(rng.normal(size=(90, 64)).astype(np.float32), (0, 0), 3) * 9
    return np.clip(image + rng.normal(size=image.shape) * 2, 0, 255).astype(np.uint8)


def test_a_wall_is_plain_and_a_visitor_is_not(room):
    found = plainness(room)
    assert found.shape == room.shape
    assert found.dtype == np.float32
    assert found[:, :70].mean() > 0.8
    assert found[:, 110:].mean() < 0.2
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_soft_sky_is_as_little_plain_as_a_hard_one(room):
    soft = (128 + (room.astype(np.float32) - 128) / 8).round().astype(np.uint8)
    assert plainness(soft).mean() == pytest.approx(plainness(room).mean(), abs=0.15)


def test_nothing_at_all_is_not_called_plain():
    assert plainness(np.full((60, 80), 33, np.uint8)).max() == 0
