"""The residual is bounded softly, and dropped where the picture is a new one."""

from __future__ import annotations

import numpy as np

from livedream.dream.residual import soft_limit, surprise


def test_small_values_are_left_alone():
    residual = np.linspace(-45, 45, 300, dtype=np.float32).reshape(10, 10, 3)
    np.testing.assert_array_equal(soft_limit(residual, 90), residual)


def test_large_values_are_bent_below_the_limit_and_keep_their_order():
    residual = np.linspace(-500, 500, 999, dtype=np.float32)[None, None]
    limited = soft_limit(residual, 90)
    assert np.abs(limited).max() <= 90
    assert (np.diff(limited) >= 0).all()
    np.testing.assert_allclose(limited, -limited[..., ::-1], atol=1e-4)


def test_a_picture_that_the_flow_explains_keeps_its_dream():
    image = np.full((30, 30), 100, np.uint8)
    assert surprise(image, image).min() == 1


def test_something_new_drops_the_dream_only_where_it_is():
    before = np.full((60, 60), 40, np.uint8)
    now = before.copy()
    now[:20, :20] = 240
    keep = surprise(now, before)
    assert keep[5:15, 5:15].max() < 0.1
    assert keep[40:, 40:].min() == 1
