"""Octaves, jitter and the classic loop, against their definition in the notebook."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from livedream.dream.ascent import classic_dream, even_shift, jittered, octave_size, random_shift, resized


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_octaves_shrink_by_their_scale_and_keep_the_shape():
    assert [octave_size(180, 320, n, 1.4) for n in range(3)] == [(180, 320), (129, 229), (92, 163)]


def test_no_octave_is_too_small_for_a_deep_layer():
    assert min(octave_size(180, 320, 9, 2.0)) == 48
    assert octave_size(32, 40, 3, 1.4) == (32, 40)


def test_the_shift_stays_within_the_jitter_and_reaches_both_ends(generator):
    shifts = {n for _ in range(300) for n in random_shift(3, generator)}
    assert shifts == set(range(-3, 4))
    assert random_shift(0, generator) == (0, 0)


def test_even_shifts_cover_everything_as_often():
    assert even_shift(0, 7, (0.3, 0.9)) == (0, 0)
    times = Counter(even_shift(1, n, (0.3, 0.9)) for n in range(90))
    assert set(times) == {(rows, columns) for rows in (-1, 0, 1) for columns in (-1, 0, 1)}
    assert min(times.values()) >= 8
    assert max(times.values()) <= 12


def test_jitter_is_undone_exactly():
    image = torch.rand(1, 3, 20, 30)
    seen = []

    def gradient(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return x

    torch.testing.assert_close(jittered(gradient, image, (5, -7)), image, rtol=0, atol=0)
    assert not torch.equal(seen[0], image)  # and it was there


def test_resizing_keeps_a_flat_picture_flat():
    flat = torch.full((1, 3, 40, 60), 0.3)
    torch.testing.assert_close(resized(resized(flat, (13, 20)), (40, 60)), flat)


def test_the_classic_loop_takes_its_steps_and_raises_what_it_follows(generator):
    target = torch.zeros(1, 3, 60, 90)
    target[..., 20:40, 30:60] = 1.0

    def towards(x: torch.Tensor) -> torch.Tensor:
        direction = resized(target, tuple(x.shape[-2:])) - x
        return direction / direction.abs().mean()

    image = torch.full((1, 3, 60, 90), 0.5)
    steps = []
    dreamt = classic_dream(
        image, towards, generator, octaves=2, jitter_px=0, progress=lambda: steps.append(1)
    )
    assert len(steps) == 20
    assert dreamt.shape == image.shape
    assert (dreamt - target).abs().mean() < (image - target).abs().mean()
    assert dreamt.min() >= 0
    assert dreamt.max() <= 1


def test_the_classic_loop_with_an_empty_gradient_gives_the_picture_back(generator):
    image = torch.rand(1, 3, 70, 90)
    dreamt = classic_dream(image, torch.zeros_like, generator)
    torch.testing.assert_close(dreamt, image)
