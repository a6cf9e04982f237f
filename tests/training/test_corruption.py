"""Spoilt copies: the right thing is lost, the rest stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.pictures import blobs
from training.corruption import blur, corrupt, scatter, scramble


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.from_numpy(blobs(1)[0]).permute(2, 0, 1).float()[:, :128, :112] / 255.0


def test_scattered_tiles_keep_every_pixel(picture: torch.Tensor) -> None:
    spoilt = scatter(picture, np.random.default_rng(0))
    assert not torch.equal(spoilt, picture)
    assert torch.equal(spoilt.flatten(1).sort().values, picture.flatten(1).sort().values)


def test_a_scrambled_picture_keeps_its_spectrum_and_mean(picture: torch.Tensor) -> None:
    spoilt = scramble(picture, np.random.default_rng(0))
    ours, theirs = (torch.fft.rfft2(p).abs() for p in (spoilt, picture))
    torch.testing.assert_close(ours[:, 1:, 1:-1], theirs[:, 1:, 1:-1], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(spoilt.mean((1, 2)), picture.mean((1, 2)))
    assert (spoilt - picture).abs().mean() > 0.05


def test_a_blurred_picture_keeps_its_colours_and_loses_its_strokes() -> None:
    rng = np.random.default_rng(0)
    grain = torch.from_numpy(rng.random((3, 64, 64)).astype(np.float32))
    spoilt = blur(grain, rng)
    assert (spoilt.mean((1, 2)) - grain.mean((1, 2))).abs().max() < 0.02
    assert spoilt.std() < 0.5 * grain.std()


def test_each_picture_of_a_batch_is_spoilt_within_range() -> None:
    pictures = torch.from_numpy(blobs(9)).permute(0, 3, 1, 2).float() / 255.0
    spoilt = corrupt(pictures, np.random.default_rng(1))
    assert spoilt.shape == pictures.shape
    assert 0.0 <= spoilt.min() <= spoilt.max() <= 1.0
    assert ((spoilt - pictures).abs().mean((1, 2, 3)) > 0.01).all()
