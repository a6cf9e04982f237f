"""Which words are dreamt now: those that are asked for, one after the other, or what the camera shows."""

from __future__ import annotations

import functools

import numpy as np

from livedream.curves import decay, smoothstep
from livedream.dream.journey import leg_s
from livedream.dream.recognising import Recogniser
from livedream.dream.targets import Target, Words, shared
from livedream.frame import Array
from livedream.networks.naming import named, walked_words
from livedream.networks.words import word_table
from livedream.settings import Settings

#: Half-life of the way to where the fader ``dream_blend`` is: its steps are not seen.
_FADER_S = 0.15
#: Nearer to one of its ends the fader is there: a second gradient for less would not be seen.
_LEAST_BLEND = 0.01


@functools.lru_cache(maxsize=64)
def words_of(network: str, text: str) -> Words:
    """The words in a setting with their shares. Raises ``UsageError``."""
    return shared(named(network, text))


@functools.lru_cache(maxsize=64)
def _one_word(network: str, layer: str, word: str) -> Array:
    return word_table(network).emphasis(layer, ((word, 1.0),))


@functools.lru_cache(maxsize=64)
def _emphasis(network: str, layer: str, words: Words) -> Array:
    total = sum(np.float32(share) * _one_word(network, layer, word) for word, share in words)
    return np.asarray(total, np.float32)


def emphasis_of(target: Target) -> Array | None:
    """How each channel speaks for a target's words, or against, float32 (C,); None without words.

    The same array for the same words. Raises ``UsageError`` for a layer without a table.
    """
    return _emphasis(target.network, target.layer, target.words) if target.words else None


class Wording:
    """The words to dream, moment after moment."""

    def __init__(self) -> None:
        self.recogniser = Recogniser()
        self._blend: float | None = None
        self._walk: _Walk | None = None

    def step(self, settings: Settings, elapsed_s: float) -> tuple[object, dict[Words, float]]:
        """What is to be dreamt ``elapsed_s`` after the last step, and a key for it.

        That is words with weights, which sum to 1; words at once are one entry, and none at all stand for the
        whole layer. Under the same key it only drifts; another key asks for a crossfade. Raises
        ``UsageError`` for what the network's table does not have.
        """
        if not settings.by_words:
            self._blend = self._walk = None
            return None, {(): 1.0}
        asked = words_of(settings.network, settings.dream_of)
        to = words_of(settings.network, settings.dream_to)
        if settings.surprise:
            asked = self.recogniser.words or asked
            key: tuple[object, ...] = (asked, to)
        elif settings.word_walk:
            through = settings.network, settings.dream_of, settings.palette
            if self._walk is None or self._walk.through != through:
                self._walk = _Walk(through, walked_words(settings))
            asked, key = self._walk.step(settings, elapsed_s), (self._walk.words, to)
        else:
            key = (asked, to)
        if not settings.word_walk:
            self._walk = None
        return key, self._blended(asked, to, settings.dream_blend, elapsed_s)

    def _blended(self, asked: Words, to: Words, blend: float, elapsed_s: float) -> dict[Words, float]:
        before = blend if self._blend is None else self._blend
        self._blend = now = blend + (before - blend) * decay(_FADER_S, elapsed_s)
        if not to or now < _LEAST_BLEND:
            return {asked: 1.0}
        if now > 1 - _LEAST_BLEND:
            return {to: 1.0}
        if not asked:
            return {(): 1 - now, to: now}
        weights = {word: share * (1 - now) for word, share in asked}
        for word, share in to:
            weights[word] = weights.get(word, 0.0) + share * now
        return {shared(weights): 1.0}


class _Walk:
    """One word after the other, round and round, at the pace of a journey. ``through`` is what names them."""

    def __init__(self, through: tuple[str, ...], words: tuple[str, ...]) -> None:
        self.through, self.words = through, words
        self._distance = 0.0

    def step(self, settings: Settings, elapsed_s: float) -> Words:
        hold_s, fade_s = leg_s(settings)
        whole_s = max(1e-3, hold_s + fade_s)
        self._distance += elapsed_s / whole_s
        leg = int(self._distance)
        here, there = (self.words[n % len(self.words)] for n in (leg, leg + 1))
        left = (leg + 1 - self._distance) * whole_s
        alpha = smoothstep(1 - left / fade_s) if fade_s > 0 else 0.0
        weights = {here: 1 - alpha}
        weights[there] = weights.get(there, 0.0) + alpha
        return shared(weights)
