"""Dreams from which words are learnt."""

from __future__ import annotations

import numpy as np
import torch

from training import words


class Colours(torch.nn.Module):
    """A layer whose channels are the image's red, green and blue."""

    def forward(self, x):
        return torch.nn.functional.avg_pool2d(x, 4)


def test_each_image_dreams_of_its_own_word(monkeypatch):
    monkeypatch.setattr(words, "_TICKS", 6)
    images = torch.full((2, 3, 64, 96), 0.5) + 0.1 * torch.rand(2, 3, 64, 96)
    weights = torch.tensor([[1.0, 0.0, -0.2], [-0.2, 1.0, 0.0]])
    dreamt = words.dream(Colours(), images, weights, seed=0)
    assert dreamt.shape == images.shape
    assert 0 <= dreamt.min() <= dreamt.max() <= 1
    change = (dreamt - images).mean((2, 3))
    assert change.argmax(1).tolist() == [0, 1]
    assert (change[:, 2][0], change[:, 0][1]) < (0, 0)  # what speaks against a word is lowered


def test_families_have_classes():
    families = words._families()
    assert "faces" not in families
    assert len(families) >= 20
    assert all(np.all(np.array(classes) < 1000) for classes in families.values())
