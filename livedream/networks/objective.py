"""Objectives: what the dream raises, as data, so that every backend can follow them. No torch here.

Source: google/deepdream, dream.ipynb (``objective_L2``, ``objective_guide``).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from livedream.frame import Array


@dataclass(frozen=True, eq=False)
class Guide:
    """Features that a layer's activation is pulled to: float32 (C, M), a column for each place of a picture.

    Each position of the activation goes towards the column that matches it best.
    """

    features: Array


@dataclass(frozen=True, eq=False)
class Objective:
    """What is raised at one layer, whose activation is (1, C, h, w).

    By default half the squared norm of the whole layer: more of whatever it already sees. With ``channels``
    (they count from 0 and wrap past the layer's last) half the squared norm of these alone. With a ``guide``
    the product of the activation and, at each position, its best-matching feature of the guide.

    ``emphasis``, float32 (C,), not negative, multiplies the weight of each channel: the words that are dreamt
    of, say. None counts all alike. It must not be changed in place; another array may come with each step, at
    no cost but copying it. A guide ignores it.

    ``pool_gradient`` says how the gradient passes max-pools: ``exact``, or ``soft``, as if they were
    averages, for larger and more colourful forms.
    """

    channels: tuple[int, ...] = ()
    guide: Guide | None = None
    pool_gradient: str = "exact"
    emphasis: Array | None = None

    def weights(self, channels: int) -> Array:
        """The weight of each of a layer's ``channels`` in the squared norm: float32 (1, C, 1, 1).

        0 or 1 without ``emphasis``. Raises ``ValueError`` for an emphasis of another length.
        """
        weights = np.full((1, channels, 1, 1), 0.0 if self.channels else 1.0, np.float32)
        weights[:, [channel % channels for channel in self.channels]] = 1.0
        if self.emphasis is not None:
            if self.emphasis.shape != (channels,):
                raise ValueError(f"emphasis of shape {self.emphasis.shape} for {channels} channels")
            weights *= self.emphasis[:, None, None]
        return weights


class HeldWeights:
    """The weights of objectives: the same array for the same channels and the same emphasis.

    Whoever copies weights to a device can tell by that whether they are new.
    """

    def __init__(self) -> None:
        # Each with its emphasis, so that no other array can have the same identity.
        self._held: OrderedDict[tuple[int, tuple[int, ...], int], tuple[Array | None, Array]] = OrderedDict()

    def __call__(self, objective: Objective, channels: int) -> Array:
        """``objective.weights(channels)``; not to be changed."""
        key = channels, objective.channels, id(objective.emphasis)
        if key not in self._held:
            self._held[key] = objective.emphasis, objective.weights(channels)
            while len(self._held) > _MOST_HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(key)
        return self._held[key][1]


#: Those of all targets that are faded between, with a few of before.
_MOST_HELD = 16


#: More of the whole layer: the objective of the original notebook.
LAYER_L2 = Objective()


def active_channels(activity: Array, count: int) -> list[int]:
    """The ``count`` channels with the largest mean squared activation (C,), the largest first.

    A layer with fewer begins again.
    """
    order: list[int] = np.argsort(-np.asarray(activity, np.float64), kind="stable").tolist()
    return [order[n % len(order)] for n in range(count)]
