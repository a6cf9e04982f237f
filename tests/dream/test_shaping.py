"""Shaped directions keep their size, and have more of what they are shaped for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livedream.dream import shaping
from livedream.dream.shaping import shaped


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(1, 3, 90, 121, generator=torch.Generator().manual_seed(2))


def coarse_share(x: torch.Tensor) -> float:
    low = torch.nn.functional.avg_pool2d(x, 6)
    return float(low.square().mean() / x.square().mean())


def test_without_shaping_nothing_changes(noise):
    assert shaped(noise, "none") is noise


@pytest.mark.parametrize("how", ["smooth", "laplacian", "colour"])
def test_the_size_stays_and_an_empty_direction_stays_empty(noise, how):
    assert float(shaped(noise, how).abs().mean()) == pytest.approx(1, abs=1e-3)
    assert shaped(noise, how).shape == noise.shape
    assert not shaped(torch.zeros_like(noise), how).any()


@pytest.mark.parametrize("how", ["smooth", "laplacian"])
def test_coarse_parts_gain(noise, how):
    assert coarse_share(shaped(noise, how)) > 2 * coarse_share(noise)


def test_balancing_is_the_same_with_and_without_opencv():
    x = torch.randn(1, 3, 96, 128, generator=torch.Generator().manual_seed(2))
    both = shaping._balanced(x, 3)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(
        shaping._balanced_array(x[0].permute(1, 2, 0).numpy().copy(), 3), both, atol=0.02
    )


def test_colours_come_closer_to_grey(noise):
    def chroma(x: torch.Tensor) -> float:
        return float((x - x.mean(1, keepdim=True)).square().mean() / x.square().mean())

    assert chroma(shaped(noise, "colour")) < 0.3 * chroma(noise)


def test_strokes_keep_their_fine_colours_and_lose_the_coarse(noise):
    def coarse_chroma(x: torch.Tensor) -> float:
        return coarse_share(x - x.mean(1, keepdim=True))

    balanced, strokes = (shaped(noise, "laplacian", share) for share in (0.0, 1.0))
    assert coarse_chroma(strokes) < 0.2 * coarse_chroma(balanced)
    grey = [x.mean(1, keepdim=True) for x in (balanced, strokes)]
    assert float(torch.cosine_similarity(grey[0].flatten(), grey[1].flatten(), 0)) > 0.95
    assert torch.equal(shaped(noise, "none", 1.0), noise)
