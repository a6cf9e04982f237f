"""The pool of images that are dreamt on."""

from __future__ import annotations

import numpy as np
import torch

from training.dreams import MARGIN_PX, DreamPool


def test_a_dream_climbs_its_gradient_and_ends() -> None:
    pool = DreamPool(4, 32, np.random.default_rng(0), torch.device("cpu"))
    fresh = torch.full((4, 3, 32 + MARGIN_PX, 32 + MARGIN_PX), 0.5)
    x, batch = pool.take(2, fresh)
    assert x.shape == (4, 3, 32, 32)
    assert pool.active == 4  # all were fresh, and all continue
    up = torch.ones_like(x)
    pool.give_back(batch, up, up)
    x, batch = pool.take(4, fresh)
    dreamt = x[: len(batch.slots)]
    assert dreamt.mean() > 0.5
    ends = 0
    for _ in range(200):
        active = pool.active
        pool.give_back(batch, up, up)
        ends += active - pool.active
        x, batch = pool.take(4, fresh)
        assert 0.0 <= x.min() <= x.max() <= 1.0
    assert ends > 4


def test_each_dream_keeps_to_one_of_the_two_gradients() -> None:
    pool = DreamPool(32, 32, np.random.default_rng(0), torch.device("cpu"))
    fresh = torch.full((32, 3, 32 + MARGIN_PX, 32 + MARGIN_PX), 0.5)
    x, batch = pool.take(0, fresh)
    pool.give_back(batch, torch.ones_like(x), -torch.ones_like(x))
    means = batch.images.mean((1, 2, 3))
    assert (means > 0.5).any()
    assert (means < 0.5).any()
