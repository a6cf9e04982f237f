"""Octaves of frequencies apart: what each is multiplied by, and what that leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livedream.dream.bands import scaled_by_band
from livedream.dream.device_operations import Areas
from livedream.dream.device_operations import scaled_by_band as on_device


@pytest.fixture
def noise():
    return np.random.default_rng(2).normal(size=(45, 80, 3)).astype(np.float32)


def test_the_same_gain_for_all_is_a_product(noise):
    np.testing.assert_allclose(scaled_by_band(noise, (0.7, 0.7, 0.7)), noise * 0.7, rtol=1e-5)


def test_fine_detail_goes_and_large_forms_stay():
    rows, columns = np.indices((48, 80))
    form = np.sin(columns / 12).astype(np.float32)[..., None].repeat(3, 2)
    chequer = np.where((rows + columns) % 2, 1, -1).astype(np.float32)[..., None].repeat(3, 2)
    found = scaled_by_band(form + chequer, (0.0, 1.0))
    assert np.abs(found - form).max() < 0.05


@pytest.mark.parametrize("gains", [(0.5,), (0.3, 1.0), (0.2, 0.6, 0.9), (0.4, 0.8, 0.8)])
def test_a_device_finds_the_same(noise, gains):
    x = torch.from_numpy(noise).permute(2, 0, 1)[None]
    found = on_device(x, [torch.tensor(gain) for gain in gains], Areas())[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, scaled_by_band(noise, gains), atol=1e-5)
