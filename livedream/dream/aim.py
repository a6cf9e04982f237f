"""What is aimed at now: follows the settings, on a journey or fading from what was dreamt before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livedream.channels import RANKS, parse_channels
from livedream.dream.gradients import CANNOT_RUN, Gradients
from livedream.dream.journey import Journey
from livedream.dream.targets import Crossfade, Mix, Target, target_mix
from livedream.frame import Image
from livedream.networks.objective import active_channels
from livedream.settings import Settings

#: How long a list of the most active channels stays valid; after that the image is another one.
_RANKING_S = 20.0


class Aim:
    """The mix of targets, moment after moment. With ``wait`` it raises what keeps a gradient from running."""

    def __init__(self, gradients: Gradients, wait: bool) -> None:
        self._gradients, self._wait = gradients, wait
        self._fade = Crossfade()
        self._journey: Journey | None = None
        self._goal_key: object = None
        self._transition_s: float | None = None
        self._ranking: dict[Target, list[int]] = {}
        self._ranked_s = -_RANKING_S

    @property
    def shown(self) -> Mix:
        """What the last tick dreamt; empty before the first."""
        return self._fade.shown

    @property
    def fading(self) -> bool:
        """Whether one target fades into another."""
        return self._fade.running

    @property
    def heaviest(self) -> Target:
        """The target with the largest weight in :attr:`shown`."""
        return max(self.shown, key=self.shown.__getitem__)

    def step(
        self,
        frame: Image,
        settings: Settings,
        now_s: float,
        elapsed_s: float,
        *,
        transition_s: float | None,
        begun: bool = False,
    ) -> None:
        """Follow the settings to ``now_s``, ``elapsed_s`` after the last step.

        ``frame`` is what the camera sees, RGB uint8 (h, w, 3); ``transition_s`` is how long a fade takes that
        begins now, None: as the settings say. Once a dream has ``begun``, nothing waits for what is being
        opened. Raises ``UsageError`` for an unknown network or layer.
        """
        channels = parse_channels(settings.channels)
        goal = target_mix(settings, channels.numbers)
        goal_key = (settings.journey, channels, *goal.items())
        changed, self._goal_key = goal_key != self._goal_key, goal_key
        if changed:
            self._transition_s = transition_s
        if not settings.journey:
            self._journey = None
        elif changed or self._journey is None:
            self._journey = Journey()
        if self._journey is not None:
            goal = self._journey.mix(settings, goal, elapsed_s)
        if channels.rank:
            if changed and now_s - self._ranked_s > _RANKING_S:
                self._ranking, self._ranked_s = {}, now_s
            if begun and any(self._cannot_be_ranked(frame, target) for target in goal):
                return  # in a moment
            goal = {self._most_active(frame, target, channels.rank): goal[target] for target in goal}
        fade_s = settings.crossfade_s if self._transition_s is None else self._transition_s
        self._fade.step(goal_key, goal, elapsed_s, fade_s)

    def _cannot_be_ranked(self, frame: Image, target: Target) -> bool:
        """Whether finding a target's most active channels would have to wait."""
        try:
            return target not in self._ranking and self._gradients.is_opening(target, frame.shape[:2])
        except CANNOT_RUN:
            if self._wait:
                raise
            return False

    def _most_active(self, frame: Image, target: Target, rank: int) -> Target:
        """``target`` with only the ``rank``-th most active channel in the camera's ``frame``."""
        if target not in self._ranking:
            try:
                seen = self._gradients.step(target, frame.astype(np.float32) / 255)
            except CANNOT_RUN:
                if self._wait:
                    raise
                return target
            self._ranking[target] = active_channels(seen.activity, RANKS)
        return replace(target, channels=(self._ranking[target][rank - 1],))
