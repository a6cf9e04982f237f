"""Objectives: what the dream raises, as data, so that every backend can follow them.

Source: google/deepdream, dream.ipynb (``objective_L2``, ``objective_guide``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Guide:
    """Features that a layer's activation is pulled to: float (C, M), one column for each place of a picture.

    Each position of the activation goes towards the column that matches it best.
    """

    features: Tensor


@dataclass(frozen=True, eq=False)
class Objective:
    """What is raised at one layer, whose activation is (1, C, h, w).

    By default half the squared norm of the whole layer: more of whatever it already sees. With ``channels``
    (they count from 0 and wrap past the layer's last) half the squared norm of these alone. With a ``guide``
    the product of the activation and, at each position, its best-matching feature of the guide.
    """

    channels: tuple[int, ...] = ()
    guide: Guide | None = None

    def weights(self, channels: int) -> Tensor:
        """The weight of each of a layer's ``channels`` in the squared norm: (1, C, 1, 1), 0 or 1."""
        if not self.channels:
            return torch.ones(1, channels, 1, 1)
        weights = torch.zeros(1, channels, 1, 1)
        weights[:, [channel % channels for channel in self.channels]] = 1.0
        return weights

    def value(self, activation: Tensor) -> Tensor:
        """The scalar that the dream raises, for an activation (1, C, h, w)."""
        if self.guide is not None:
            return _guide_value(activation, self.guide)
        if self.channels:
            count = activation.shape[1]
            activation = activation[:, [channel % count for channel in self.channels]]
        return 0.5 * activation.float().square().sum()


#: More of the whole layer: the objective of the original notebook.
LAYER_L2 = Objective()


def active_channels(activation: Tensor, count: int) -> list[int]:
    """The ``count`` channels of an activation (1, C, h, w) with the largest norm, the largest first.

    A layer with fewer begins again.
    """
    order: list[int] = activation.float().square().sum((0, 2, 3)).argsort(descending=True).tolist()
    return [order[n % len(order)] for n in range(count)]


def _guide_value(activation: Tensor, guide: Guide) -> Tensor:
    x = activation.flatten(2)[0]  # (C, h·w)
    y = guide.features.to(x.dtype)
    best = (x.detach().T @ y).argmax(1)
    return (x.float() * y[:, best].float()).sum()
