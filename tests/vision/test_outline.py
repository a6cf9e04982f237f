"""A visitor's outline ends where their body ends, and has no holes."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.vision.outline import fitted, outlined
from tests.vision.test_presence import watched, with_somebody


def body(height: int = 90, width: int = 160) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height), (width // 8, height * 3 // 4), 0, 0, 360, 1, -1)
    return mask > 0


def test_an_outline_is_filled_and_leaves_out_what_is_only_near():
    difference = np.where(body(), 0.8, 0.0)
    difference[60:70, 76:86] = 0.0  # a shirt as bright as the wall
    difference[10:20, 10:20] = 0.8  # a lamp, far from anybody
    near = cv2.dilate(body().astype(np.float32), np.ones((25, 25)))
    outline = outlined(difference, near)
    assert outline[body()].mean() > 0.99
    assert outline[~body()].mean() < 0.01


def test_the_outline_of_a_visitor_is_their_own():
    detector, _ = watched(lambda t: with_somebody(t, 3, 999, sway=0.0), 6)
    there = np.abs(with_somebody(4, 3, 999, sway=0.0) - with_somebody(1, 3, 999)) > 20
    assert detector.outline is not None
    assert detector.in_front is not None
    assert detector.outline[there].mean() > 0.95
    beyond = cv2.dilate(there.astype(np.uint8), np.ones((7, 7))) == 0
    assert detector.outline[beyond].max() < 0.1
    assert detector.in_front[beyond].max() > 0.9  # which is why there is an outline


def test_a_mask_is_fitted_to_the_edges_of_the_image():
    image = np.where(body(180, 320)[..., None], 40, 200).astype(np.uint8).repeat(3, 2)
    coarse = cv2.GaussianBlur(body(45, 80).astype(np.float32), (0, 0), 1.0)
    wrong = [
        np.abs(mask - body(180, 320)).mean()
        for mask in (cv2.resize(coarse, (320, 180)), fitted(coarse, image))
    ]
    assert wrong[1] < 0.6 * wrong[0]
