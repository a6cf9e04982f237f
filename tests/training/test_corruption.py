"""Corrupted copies lose what they should and keep the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.images import blobs
from training.corruption import blur, corrupt, scatter, scramble


@pytest.fixture
def image() -> torch.Tensor:
    return torch.from_numpy(blobs(1)[0]).permute(2, 0, 1).float()[:, :128, :112] / 255.0


def test_scattered_tiles_keep_every_pixel(image: torch.Tensor) -> None:
    corrupted = scatter(image, np.random.default_rng(0))
    assert not torch.equal(corrupted, image)
    assert torch.equal(corrupted.flatten(1).sort().values, image.flatten(1).sort().values)


def test_a_scrambled_image_keeps_its_spectrum_and_mean(image: torch.Tensor) -> None:
    corrupted = scramble(image, np.random.default_rng(0))
    ours, theirs = (torch.fft.rfft2(p).abs() for p in (corrupted, image))
    torch.testing.assert_close(ours[:, 1:, 1:-1], theirs[:, 1:, 1:-1], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(corrupted.mean((1, 2)), image.mean((1, 2)))
    assert (corrupted - image).abs().mean() > 0.05


def test_a_blurred_image_keeps_its_colours_and_loses_its_strokes() -> None:
    rng = np.random.default_rng(0)
    grain = torch.from_numpy(rng.random((3, 64, 64)).astype(np.float32))
    corrupted = blur(grain, rng)
    assert (corrupted.mean((1, 2)) - grain.mean((1, 2))).abs().max() < 0.02
    assert corrupted.std() < 0.5 * grain.std()


def test_each_image_of_a_batch_is_corrupted_and_stays_in_range() -> None:
    images = torch.from_numpy(blobs(9)).permute(0, 3, 1, 2).float() / 255.0
    corrupted = corrupt(images, np.random.default_rng(1))
    assert corrupted.shape == images.shape
    assert 0.0 <= corrupted.min() <= corrupted.max() <= 1.0
    assert ((corrupted - images).abs().mean((1, 2, 3)) > 0.01).all()
