"""A timed fade from some settings to others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from livedream.curves import smoothstep
from livedream.settings import SPECS, Settings


@dataclass(frozen=True)
class Fade:
    """From ``before`` to ``goal`` in ``duration_s`` seconds: a scene's numbers move, smoothly at both ends.

    What is not a number (layer, network, mix…) has the goal's value from the start: the dream and the
    composite crossfade it, in the time that the order gives them.
    """

    before: Settings
    goal: Settings
    start_s: float
    duration_s: float

    def over(self, now: float) -> bool:
        """Whether the goal is reached."""
        return now >= self.start_s + self.duration_s

    def at(self, now: float) -> Settings:
        """The settings at ``now``."""
        if self.over(now):
            return self.goal
        alpha = smoothstep((now - self.start_s) / self.duration_s)
        changes = {}
        for name, spec in SPECS.items():
            before, goal = getattr(self.before, name), getattr(self.goal, name)
            number = spec.kind in (int, float) and not spec.choices and not spec.zero
            if number and spec.scope == "scene" and before != goal:
                value = before + alpha * (goal - before)
                changes[name] = spec.kind(round(value, 0 if spec.kind is int else 6))
        return self.goal.replace(**changes)

    def towards(self, goal: Settings) -> Fade:
        """The same fade to another goal: somebody has changed a setting meanwhile."""
        return replace(self, goal=goal)
