"""What is dreamt: targets with weights, and the crossfade from one mix of them to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from livedream.curves import smoothstep
from livedream.networks.catalogue import network_info
from livedream.settings import Settings

#: A target with less weight would not be seen, but would still cost a whole gradient.
_LEAST_WEIGHT = 0.01
#: Targets of the old mix that are kept during a fade: quick changes of layer would pile them up otherwise,
#: each with a gradient of its own.
_MOST_OLD = 3


#: A word with less of a share makes no difference.
_LEAST_SHARE = 1e-4


#: The names of a network and one of its layers.
LayerKey = tuple[str, str]


#: Words with their shares, which sum to 1; none for the whole layer.
Words = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Target:
    """One thing to dream of: a layer of a network, some of its channels (none means all), words or a guide
    image, and how gradients pass its max-pools."""

    network: str
    layer: str
    channels: tuple[int, ...] = ()
    guide: str = ""
    pool_gradient: str = "exact"
    words: Words = ()

    @property
    def key(self) -> LayerKey:
        """Its layer, whatever is raised there."""
        return self.network, self.layer


def sees_strokes(target: Target) -> bool:
    """Whether its layer is so low that it sees strokes and no forms: a stride of at most 4 pixels."""
    return network_info(target.network).layer(target.layer).stride <= 4


#: Targets and their weights, which sum to 1.
Mix = dict[Target, float]


def target_mix(settings: Settings, channels: tuple[int, ...] = ()) -> Mix:
    """What the settings ask for, but for words. Raises ``UsageError`` for an unknown network or layer."""
    blend = network_info(settings.network).blend(settings.layer)
    mix: Mix = {}
    for layer, weight in blend:
        target = Target(settings.network, layer.name, channels, settings.guide, settings.pool_gradient)
        mix[target] = mix.get(target, 0.0) + weight
    return mix


def blended(before: Mix, after: Mix, alpha: float) -> Mix:
    """From ``before`` (``alpha`` 0) to ``after`` (1), without what cannot be seen."""
    mix = {target: weight * (1 - alpha) for target, weight in before.items()}
    for target, weight in after.items():
        mix[target] = mix.get(target, 0.0) + weight * alpha
    mix = merged(mix)
    return whole({target: weight for target, weight in mix.items() if weight >= _LEAST_WEIGHT})


def merged(mix: Mix) -> Mix:
    """The mix with targets that differ only in their words as one: one gradient dreams them all.

    The whole layer is another objective, and stays apart.
    """
    found = {target: weight for target, weight in mix.items() if not target.words}
    worded: dict[Target, dict[str, float]] = {}
    for target, weight in mix.items():
        shares = worded.setdefault(replace(target, words=()), {}) if target.words and weight > 0 else {}
        for word, share in target.words:
            shares[word] = shares.get(word, 0.0) + weight * share
    for target, shares in worded.items():
        found[replace(target, words=shared(shares))] = sum(shares.values())
    return found


def shared(weights: Mapping[str, float]) -> Words:
    """Words by their weights, which need not sum to 1; at least one is above 0. Faint ones are left out."""
    total = sum(weights.values())
    kept = {word: weight for word, weight in weights.items() if weight > _LEAST_SHARE * total}
    total = sum(kept.values())
    return tuple((word, kept[word] / total) for word in sorted(kept))


def whole(mix: Mix) -> Mix:
    """The mix with weights that sum to 1."""
    total = sum(mix.values())
    return {target: weight / total for target, weight in mix.items()}


class Crossfade:
    """Leads from what is shown to what is wanted without a jump, even if that changes midway."""

    def __init__(self) -> None:
        self._goal_key: object = None
        self._before: Mix = {}
        self._shown: Mix = {}
        self._progress = 1.0

    @property
    def shown(self) -> Mix:
        """The mix of the last :meth:`step`; empty before the first."""
        return self._shown

    @property
    def running(self) -> bool:
        """Whether an old mix is still fading out."""
        return self._progress < 1.0

    def step(self, goal_key: object, goal: Mix, elapsed_s: float, fade_s: float) -> Mix:
        """The mix to dream now, ``elapsed_s`` after the last step.

        A fade begins whenever ``goal_key`` changes; under the same key the ``goal`` itself may drift, as it
        does on a journey. The very first goal applies at once.
        """
        if goal_key != self._goal_key:
            if self._shown and fade_s > 0:
                heaviest = sorted(self._shown.items(), key=lambda pair: -pair[1])[:_MOST_OLD]
                self._before, self._progress = whole(dict(heaviest)), 0.0
            else:
                self._progress = 1.0
            self._goal_key = goal_key
        elif self.running:
            self._progress = min(1.0, self._progress + elapsed_s / fade_s) if fade_s > 0 else 1.0
        alpha = smoothstep(self._progress)
        self._shown = blended(self._before, goal, alpha) if self.running else goal
        return self._shown
