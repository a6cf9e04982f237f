"""The residual is softly bounded, and dropped where the image is new."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.dream.residual import (
    flow_confidence,
    scene_similarity,
    soft_limit,
    unstretched,
    within_range,
)

TICK_S = 1 / 30


def test_small_values_are_left_alone():
    residual = np.linspace(-45, 45, 300, dtype=np.float32).reshape(10, 10, 3)
    np.testing.assert_array_equal(soft_limit(residual, 90, TICK_S), residual)


@pytest.mark.parametrize("elapsed_s", [0.0, 1 / 60, 1 / 30, 0.5])
def test_large_values_are_pulled_below_the_limit_and_keep_their_order(elapsed_s):
    residual = np.linspace(-500, 500, 999, dtype=np.float32)[None, None]
    limited = soft_limit(residual, 90, elapsed_s)
    assert np.abs(limited).max() <= 90
    assert (np.diff(limited) >= 0).all()
    np.testing.assert_allclose(limited, -limited[..., ::-1], atol=1e-4)


def test_two_short_ticks_pull_as_much_as_a_long_one():
    residual = np.linspace(-80, 80, 300, dtype=np.float32).reshape(10, 10, 3)
    twice = soft_limit(soft_limit(residual, 90, 1 / 60), 90, 1 / 60)
    np.testing.assert_allclose(twice, soft_limit(residual, 90, 1 / 30), rtol=1e-5)


@pytest.mark.parametrize(("rate_hz", "end", "near"), [(15, 8, 24), (30, 6, 20), (60, 8, 24)])
def test_a_dream_that_is_pushed_on_and_on_never_fills_the_range(rate_hz, end, near):
    frame = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    push = np.where(frame > 127, 60, -60).astype(np.float32) / rate_hz
    residual = np.zeros(frame.shape, np.float32)
    for _ in range(10 * rate_hz):
        residual = within_range(soft_limit(residual + push, 255.0, 1 / rate_hz), frame, 1 / rate_hz)
    dreamt = np.clip(frame + residual, 0, 255).astype(np.uint8)
    assert not ((dreamt == 0) & (frame > end)).any()
    assert not ((dreamt == 255) & (frame < 255 - end)).any()
    assert ((dreamt < near) | (dreamt > 255 - near)).mean() > 0.8  # and yet it came near


def test_a_dream_in_the_middle_of_the_range_is_left_alone():
    frame = np.full((20, 30, 3), 128, np.uint8)
    residual = np.linspace(-100, 100, 1800, dtype=np.float32).reshape(20, 30, 3)
    np.testing.assert_array_equal(within_range(residual, frame, TICK_S), residual)


def test_an_image_that_the_flow_explains_keeps_its_dream():
    image = np.full((30, 30), 100, np.uint8)
    assert flow_confidence(image, image).min() == 1


def test_noise_and_a_flow_that_is_nearly_right_fade_nothing():
    noise = np.random.default_rng(0).normal(0, 3, (2, 60, 60))
    now, before = np.clip(100 + noise, 0, 255).astype(np.uint8)
    assert flow_confidence(now, before).min() == 1


def test_something_new_drops_the_dream_only_where_it_is():
    before = np.full((60, 60), 40, np.uint8)
    now = before.copy()
    now[:20, :20] = 240
    keep = flow_confidence(now, before)
    assert keep[5:15, 5:15].max() < 0.1
    assert keep[40:, 40:].min() == 1


def test_another_scene_is_recognised_and_noise_in_the_dark_is_not_one(picture):
    now = picture[..., 0]
    dark = np.random.default_rng(0).integers(0, 4, (2, 120, 160)).astype(np.uint8)
    assert scene_similarity(now, now) == 1
    assert scene_similarity(now, np.roll(now, (3, 6), (0, 1))) == 1
    assert scene_similarity(now, now // 2 + 60) == 1  # another exposure
    assert scene_similarity(now, 255 - np.flip(now)) < 0.1
    assert scene_similarity(dark[0], dark[1]) == 1


def flow_of(along, across, size=(120, 160)):
    """A flow that is linear about the centre."""
    y, x = np.indices(size, np.float32)
    return np.stack([along * (x - 80) + across * (y - 60), 0 * x], 2).astype(np.float32)


def test_only_where_a_flow_stretches_it_a_dream_is_dropped():
    assert unstretched(np.full((120, 160, 2), 7, np.float32)).min() == pytest.approx(1)
    zoom = flow_of(-0.1, 0)
    zoom[..., 1] = np.swapaxes(flow_of(-0.1, 0, (160, 120)), 0, 1)[..., 0]
    for kept in (zoom, flow_of(0.3, 0), flow_of(-0.03, 0)):  # larger, squeezed, an error of the flow
        assert unstretched(kept)[16:-16, 16:-16].min() > 0.95
    for streaks in (flow_of(-0.5, 0), flow_of(0, 0.8)):  # twice as long, and sheared
        assert unstretched(streaks)[16:-16, 16:-16].max() < 0.5
