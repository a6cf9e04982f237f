"""What is aimed at now: follows the settings, on a journey or fading from what was dreamt before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from livedream.channels import RANKS, parse_channels
from livedream.dream.gradients import CANNOT_RUN, Gradients
from livedream.dream.journey import Journey
from livedream.dream.recognising import ASKED, Recogniser
from livedream.dream.targets import Crossfade, Mix, Target, Words, target_mix
from livedream.dream.wording import Wording
from livedream.frame import Array, Image
from livedream.networks.objective import active_channels
from livedream.networks.words import word_table
from livedream.settings import Settings

#: How long a list of the most active channels stays valid; after that the image is another one.
_RANKING_S = 20.0


class Aim:
    """The mix of targets, moment after moment. With ``wait`` it raises what keeps a gradient from running."""

    def __init__(self, gradients: Gradients, wait: bool) -> None:
        self._gradients, self._wait = gradients, wait
        self._fade = Crossfade()
        self._wording = Wording()
        self._journey: Journey | None = None
        self._layer_key: object = None
        self._words_key: object = None
        self._transition_s: float | None = None
        self._ranking: dict[Target, list[int]] = {}
        self._ranked_s = -_RANKING_S

    @property
    def shown(self) -> Mix:
        """What the last tick dreamt; empty before the first."""
        return self._fade.shown

    @property
    def recognised(self) -> tuple[tuple[str, float], ...]:
        """What was last recognised in the camera's image, with probabilities, the likeliest first."""
        return self._wording.recogniser.seen

    @property
    def fading(self) -> bool:
        """Whether one target fades into another."""
        return self._fade.running

    @property
    def heaviest(self) -> Target:
        """The target with the largest weight in :attr:`shown`."""
        return max(self.shown, key=self.shown.__getitem__)

    @property
    def shown_words(self) -> dict[str, str]:
        """The layer and channels of :attr:`heaviest`, as text."""
        if not self.shown:
            return {}
        heaviest = self.heaviest
        return {"layer": heaviest.layer, "channels": ", ".join(map(str, heaviest.channels))}

    @property
    def dreamt_words(self) -> Words:
        """The words that are dreamt at that layer with their shares, the largest first; none by the layer."""
        words = self.heaviest.words if self.shown else ()
        return tuple(sorted((pair for pair in words if pair[0]), key=lambda pair: -pair[1]))

    def step(
        self,
        frame: Image,
        settings: Settings,
        now_s: float,
        elapsed_s: float,
        *,
        transition_s: float | None,
        begun: bool = False,
        leg_s: float | None = None,
    ) -> None:
        """Follow the settings to ``now_s``, ``elapsed_s`` after the last step.

        ``frame`` is what the camera sees, RGB uint8 (h, w, 3); ``transition_s`` is how long a fade takes that
        begins now, None: as the settings say. Once a dream has ``begun``, nothing waits for what is being
        opened. ``leg_s`` is when a leg of a journey on the beat began. Raises ``UsageError`` for an unknown
        network or layer.
        """
        if settings.surprise:
            self._recognise(frame, settings, now_s, begun)
        music_s = None if leg_s is None else now_s - leg_s
        goal, wordings, changed = self._in_time(settings, elapsed_s, transition_s, music_s)
        channels, key = parse_channels(settings.channels), (self._layer_key, self._words_key)
        if channels.rank:
            if changed and now_s - self._ranked_s > _RANKING_S:
                self._ranking, self._ranked_s = {}, now_s
            if begun and any(self._must_wait(frame, t) for t in goal if t not in self._ranking):
                return  # in a moment
            goal = {self._most_active(frame, target, channels.rank): goal[target] for target in goal}
        goal = {
            replace(target, words=words): weight * share
            for target, weight in goal.items()
            for words, share in wordings.items()
        }
        fade_s = settings.crossfade_s if self._transition_s is None else self._transition_s
        self._fade.step(key, goal, elapsed_s, fade_s)

    def pass_over(self, settings: Settings, ticks_s: Iterable[float]) -> None:
        """Go on by ticks that last ``ticks_s``, without looking at frames; the drift goes on, too."""
        for elapsed_s in ticks_s:
            self._gradients.drift.step(settings.drift, elapsed_s)
            self._in_time(settings, elapsed_s, None, None)

    def begin_scene(self) -> None:
        """Forget what the camera showed; what is aimed at next applies at once, without a fade."""
        self._fade = Crossfade()
        self._wording.recogniser = Recogniser()
        self._ranking, self._ranked_s = {}, -_RANKING_S

    def _in_time(
        self, settings: Settings, elapsed_s: float, transition_s: float | None, music_s: float | None
    ) -> tuple[Mix, dict[Words, float], bool]:
        """Targets and words at this point of a journey and a walk, and whether other layers are asked for."""
        words_key, wordings = self._wording.step(settings, elapsed_s)
        channels = parse_channels(settings.channels)
        goal = target_mix(settings, channels.numbers)
        layer_key = (settings.journey, channels, *goal.items())
        changed, self._layer_key = layer_key != self._layer_key, layer_key
        if changed or words_key != self._words_key:
            self._transition_s, self._words_key = transition_s, words_key
        if not settings.journey:
            self._journey = None
        elif changed or self._journey is None:
            self._journey = Journey()
        if self._journey is not None:
            goal = self._journey.mix(settings, goal, elapsed_s, music_s)
        return goal, wordings, changed

    def _must_wait(self, frame: Image, target: Target) -> bool:
        """Whether a look at the camera's ``frame`` with a target's layer would have to wait."""
        try:
            return self._gradients.is_opening(target, frame.shape[:2])
        except CANNOT_RUN:
            if self._wait:
                raise
            return False

    def _activity(self, frame: Image, target: Target) -> Array | None:
        """How active each channel of a target's layer is in the camera's ``frame``; None if none can tell."""
        try:
            return self._gradients.step(target, frame.astype(np.float32) / 255).activity
        except CANNOT_RUN:
            if self._wait:
                raise
            return None

    def _recognise(self, frame: Image, settings: Settings, now_s: float, begun: bool) -> None:
        """Look what the camera's ``frame`` shows, if it is time to, by the layer that is dreamt."""
        recogniser, table = self._wording.recogniser, word_table(settings.network)
        if not recogniser.due(now_s):
            return
        mix = {t: w for t, w in self.shown.items() if t.network == table.network and t.layer in table.layers}
        mix = mix or target_mix(settings)
        target = max(mix, key=mix.__getitem__)
        if begun and self._must_wait(frame, target):
            return
        activity = self._activity(frame, target)
        found = [] if activity is None else table.recognised(target.layer, activity, ASKED)
        recogniser.look(found, now_s)

    def _most_active(self, frame: Image, target: Target, rank: int) -> Target:
        """``target`` with only the ``rank``-th most active channel in the camera's ``frame``."""
        if target not in self._ranking:
            activity = self._activity(frame, target)
            if activity is None:
                return target
            self._ranking[target] = active_channels(activity, RANKS)
        return replace(target, channels=(self._ranking[target][rank - 1],))
