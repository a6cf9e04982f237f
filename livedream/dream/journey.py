"""The journey: up through a network's layers and down again, holding each and fading to the next."""

from __future__ import annotations

from dataclasses import replace

from livedream.curves import decay, smoothstep
from livedream.dream.targets import Mix
from livedream.networks.catalogue import network_info
from livedream.networks.words import word_table
from livedream.settings import Settings

#: Half-life of what a journey is ahead of the music, or behind.
_CATCH_UP_S = 0.5


def leg_s(settings: Settings) -> tuple[float, float]:
    """(hold, fade) of one layer in seconds: as set, or, with a tempo, a whole number of beats together."""
    hold_s, fade_s = settings.journey_hold_s, settings.journey_fade_s
    bpm = settings.bpm if settings.journey_on_beat else settings.journey_bpm
    if bpm > 0:
        whole_s = settings.journey_beats * 60.0 / bpm
        fade_s = min(fade_s, whole_s / 2)
        hold_s = whole_s - fade_s
    return hold_s, fade_s


def stations(layers: int, start: int, distance: float, fade_fraction: float) -> tuple[tuple[int, float], ...]:
    """The layers (counted from 0, with their weights) at ``distance`` layers from layer ``start``.

    The walk goes up to the last of ``layers``, back to the first, and so on. The last ``fade_fraction``
    (0..1) of each leg is the fade to the next layer, smooth at both ends.
    """
    leg = int(distance)
    here, there = (_reflected(start + n, layers) for n in (leg, leg + 1))
    alpha = 0.0 if fade_fraction <= 0 else smoothstep((distance - leg - (1 - fade_fraction)) / fade_fraction)
    return ((here, 1.0),) if alpha == 0 or here == there else ((here, 1 - alpha), (there, alpha))


def _reflected(position: int, layers: int) -> int:
    """An endless line folded onto ``layers`` positions, up and down: 0 1 2 1 0 1 …"""
    turn = max(1, 2 * (layers - 1))
    position %= turn
    return min(position, turn - position)


class Journey:
    """How far a journey has come; changing its tempo on the way causes no jump."""

    def __init__(self) -> None:
        self._distance = 0.0

    def mix(self, settings: Settings, start: Mix, elapsed_s: float, music_s: float | None = None) -> Mix:
        """Walk on for ``elapsed_s`` from the heaviest layer of ``start``; what to dream now.

        With ``music_s``, the seconds since the music's leg began, this leg catches up with it. With words the
        journey keeps to the layers that have them.
        """
        hold_s, fade_s = leg_s(settings)
        whole_s = max(1e-3, hold_s + fade_s)
        self._distance += elapsed_s / whole_s
        if music_s is not None:
            ahead = (music_s / whole_s - self._distance + 0.5) % 1 - 0.5
            self._distance += ahead * (1 - decay(_CATCH_UP_S, elapsed_s))
        target = max(start, key=start.__getitem__)
        layers = [layer.name for layer in network_info(target.network).layers]
        if settings.by_words:
            worded = word_table(target.network).layers
            layers = [layer for layer in layers if layer in worded]
        found = stations(len(layers), layers.index(target.layer), self._distance, fade_s / whole_s)
        return {replace(target, layer=layers[index]): weight for index, weight in found}
