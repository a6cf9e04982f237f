"""Octaves, jitter and the classic loop, against their definition in the notebook."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from livedream.dream.ascent import (
    PlannedStep,
    ascend,
    classic_dream,
    even_shift,
    jittered,
    octave_size,
    quickly_resized,
    random_shift,
    resized,
    rolled,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_octaves_shrink_by_their_scale_and_keep_the_shape():
    assert [octave_size(180, 320, n, 1.4) for n in range(3)] == [(180, 320), (129, 229), (92, 163)]


def test_no_octave_is_too_small_for_a_deep_layer():
    assert min(octave_size(180, 320, 9, 2.0)) == 48
    assert octave_size(32, 40, 3, 1.4) == (32, 40)


def test_the_shift_stays_within_the_jitter_and_reaches_both_ends(rng):
    shifts = {n for _ in range(300) for n in random_shift(3, rng)}
    assert shifts == set(range(-3, 4))
    assert random_shift(0, rng) == (0, 0)


def test_even_shifts_cover_everything_as_often():
    assert even_shift(0, 7, (0.3, 0.9)) == (0, 0)
    times = Counter(even_shift(1, n, (0.3, 0.9)) for n in range(90))
    assert set(times) == {(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)}
    assert min(times.values()) >= 8
    assert max(times.values()) <= 12


def test_jitter_is_undone_exactly():
    image = np.random.default_rng(0).random((20, 30, 3), np.float32)
    seen = []

    def gradient(x):
        seen.append(x)
        return x

    np.testing.assert_array_equal(jittered(gradient, image, (5, -7)), image)
    np.testing.assert_array_equal(seen[0], np.roll(image, (5, -7), (0, 1)))


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (0, -4), (-25, 61), (20, 30)])
def test_rolling_is_numpys(shift):
    image = np.random.default_rng(0).random((20, 30, 3), np.float32)
    np.testing.assert_array_equal(rolled(image, *shift), np.roll(image, shift, (0, 1)))


def test_a_step_goes_in_its_direction_by_its_reach_and_its_length():
    """Two steps, at full size and at half, with momentum, against their definition pixel by pixel."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (24, 32, 3), np.uint8)
    residual, momentum = rng.normal(size=(2, 24, 32, 3)).astype(np.float32)
    lengths, kept = rng.random((2, 24, 32), np.float32)
    steps = [PlannedStep((24, 32), (2, -3), 1.5), PlannedStep((12, 16), (0, 0), 0.5)]
    found = ascend(
        frame, residual, momentum, steps, np.sin, lambda d, size: d * size, lengths=lengths, kept=kept
    )
    x = (frame + residual) / 255
    for step in steps:
        small = quickly_resized(x.astype(np.float32), step.size)
        direction = np.roll(np.sin(np.roll(small, step.shift, (0, 1))), [-n for n in step.shift], (0, 1))
        direction = quickly_resized(direction.astype(np.float32) * step.reach, (24, 32))
        momentum = (1 - kept[..., None]) * direction + kept[..., None] * momentum
        x = x + lengths[..., None] / 255 * momentum
    np.testing.assert_allclose(found[0], x * 255 - frame, atol=2e-3)
    np.testing.assert_allclose(found[1], momentum, atol=1e-4)


def test_resizing_keeps_a_flat_picture_flat():
    flat = np.full((40, 60, 3), 0.3, np.float32)
    np.testing.assert_allclose(resized(resized(flat, (13, 20)), (40, 60)), flat, rtol=1e-6)


def test_the_classic_loop_takes_its_steps_and_raises_what_it_follows(rng):
    target = np.zeros((60, 90, 3), np.float32)
    target[20:40, 30:60] = 1.0

    def towards(x):
        direction = resized(target, x.shape[:2]) - x
        return direction / np.abs(direction).mean()

    image = np.full((60, 90, 3), 0.5, np.float32)
    steps = []
    dreamt = classic_dream(image, towards, rng, octaves=2, jitter_px=0, progress=lambda: steps.append(1))
    assert len(steps) == 20
    assert dreamt.shape == image.shape
    assert np.abs(dreamt - target).mean() < np.abs(image - target).mean()
    assert dreamt.min() >= 0
    assert dreamt.max() <= 1


def test_the_classic_loop_with_an_empty_gradient_gives_the_picture_back(rng):
    image = rng.random((70, 90, 3), np.float32)
    np.testing.assert_allclose(classic_dream(image, np.zeros_like, rng), image, atol=1e-6)
