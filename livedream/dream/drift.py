"""A slow drift of what is wanted: a layer's channels count more or less by turns, so that a dream develops.

The weight of each channel goes up and down as a sum of slow waves of its own. Which channels lead changes
over half a minute, and never from one frame to the next. The waves are functions of time alone, the same at
any rate of ticks.
"""

from __future__ import annotations

from collections import OrderedDict
from zlib import crc32

import numpy as np

from livedream.curves import decay
from livedream.dream.targets import LayerKey, Target
from livedream.frame import Array
from livedream.networks.catalogue import network_info

#: The periods of a channel's waves; they never come round together.
_PERIODS_S = np.array([29.0, 47.0, 71.0])
#: The standard deviation of the logarithm of a weight at full drift; the part of it among the channels of
#: words, which have to stay what they are.
_DEVIATION, _AMONG_WORDS = 1.6, 0.5
#: Half-life of a change of the drift: a dream begins without any.
_CHANGE_S = 6.0
#: Weights are renewed so often; in that time they change by a few per cent at most.
_RENEWED_S = 0.1
#: The most layers whose waves are kept.
_MOST_LAYERS = 16


class Drift:
    """The drift of all layers; the same ``seed`` gives the same."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._time_s, self._amount = 0.0, 0.0
        self._renewed_s, self._renewed_amount = 0.0, 0.0
        self._phases: OrderedDict[LayerKey, Array] = OrderedDict()
        self._found: dict[tuple[LayerKey, float], Array] = {}

    def step(self, amount: float, elapsed_s: float) -> None:
        """Go on by ``elapsed_s``, slowly towards the ``amount`` (0..1) that is wanted."""
        self._time_s += elapsed_s
        self._amount = amount + (self._amount - amount) * decay(_CHANGE_S, elapsed_s)
        if not amount and self._amount < 1e-3:
            self._amount = 0.0
        if self._time_s >= self._renewed_s + _RENEWED_S or not self._amount:
            self._renewed_s, self._renewed_amount, self._found = self._time_s, self._amount, {}

    def emphasis(self, target: Target) -> Array | None:
        """How much each channel of a target's layer counts now, float32 (C,) of mean 1; None: all alike.

        The same array for some ticks.
        """
        if not self._amount or target.guide:
            return None
        key = target.key, _AMONG_WORDS if target.words else 1.0
        if key not in self._found:
            self._found[key] = self._weights(*key)
        return self._found[key]

    def _weights(self, key: LayerKey, part: float) -> Array:
        if key not in self._phases:
            rng = np.random.default_rng((self._seed, crc32("/".join(key).encode())))
            channels = network_info(key[0]).layer(key[1]).channels
            self._phases[key] = rng.random((channels, len(_PERIODS_S)))
            while len(self._phases) > _MOST_LAYERS:
                self._phases.popitem(last=False)
        self._phases.move_to_end(key)
        turns = self._phases[key] + self._renewed_s / _PERIODS_S
        waves = np.sqrt(2 / len(_PERIODS_S)) * np.cos(2 * np.pi * turns).sum(1)
        weights = np.exp(part * _DEVIATION * self._renewed_amount * waves)
        return np.asarray(weights / weights.mean(), np.float32)
