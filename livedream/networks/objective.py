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

    ``emphasis``, float32 (C,), not negative, multiplies the weight of each channel; None counts all alike.
    With ``words``, float32 (C,) of any sign, the sum of the activation is raised instead, its channels
    multiplied by them: every place counts alike, however little it shows yet, and what speaks against a word
    is lowered. Neither array may be changed in place; others may come with each step, at no cost but copying
    them. A guide ignores both.

    ``pool_gradient`` says how the gradient passes max-pools: ``exact``, or ``soft``, as if they were
    averages, for larger and more colourful forms.
    """

    channels: tuple[int, ...] = ()
    guide: Guide | None = None
    pool_gradient: str = "exact"
    emphasis: Array | None = None
    words: Array | None = None

    @property
    def linear(self) -> bool:
        """Whether the activation itself is raised and not its square: by words."""
        return self.words is not None and self.guide is None

    def weights(self, channels: int) -> Array:
        """The weight of each of a layer's ``channels`` in the norm or the sum: float32 (1, C, 1, 1).

        0 or 1 without ``emphasis`` and ``words``. Raises ``ValueError`` when these have another length.
        """
        weights = np.full((1, channels, 1, 1), 0.0 if self.channels else 1.0, np.float32)
        weights[:, [channel % channels for channel in self.channels]] = 1.0
        for factor in (self.emphasis, self.words):
            if factor is not None:
                if factor.shape != (channels,):
                    raise ValueError(f"weights of shape {factor.shape} for {channels} channels")
                weights *= factor[:, None, None]
        return weights


class HeldWeights:
    """The weights of objectives: the same array for the same channels, emphasis and words.

    Whoever copies weights to a device can tell by that whether they are new.
    """

    def __init__(self) -> None:
        # Each with its objective, so that no other array can have the same identity.
        self._held: OrderedDict[tuple[object, ...], tuple[Objective, Array]] = OrderedDict()

    def __call__(self, objective: Objective, channels: int, columns: int = 0) -> Array:
        """``objective.weights(channels)``, or ``columns`` of them, (C, columns); not to be changed."""
        key = channels, columns, objective.channels, id(objective.emphasis), id(objective.words)
        if key not in self._held:
            weights = objective.weights(channels)
            if columns:
                weights = np.repeat(weights.reshape(channels, 1), columns, 1)
            self._held[key] = objective, weights
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
