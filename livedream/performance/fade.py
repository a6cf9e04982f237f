"""A timed fade from some settings to others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from livedream.settings import SPECS, Settings


@dataclass(frozen=True)
class Fade:
    """From ``before`` to ``goal``: numbers move, smoothly at both ends.

    What is not a number (layer, network, mix…) has the goal's value from the start: the dream and the
    composite crossfade it in the fade's own time. ``persistence`` is the most that the dream may carry from
    tick to tick meanwhile: little, to let go of the old one.
    """

    before: Settings
    goal: Settings
    start_s: float
    duration_s: float
    persistence: float = 1.0

    def over(self, now: float) -> bool:
        """Whether the goal is reached."""
        return now >= self.start_s + self.duration_s

    def at(self, now: float) -> Settings:
        """The settings at ``now``."""
        if self.over(now):
            return self.goal
        share = max(0.0, now - self.start_s) / self.duration_s
        share = share * share * (3 - 2 * share)
        changes = {}
        for name, spec in SPECS.items():
            before, goal = getattr(self.before, name), getattr(self.goal, name)
            if spec.kind in (int, float) and not spec.choices and before != goal:
                changes[name] = spec.kind(
                    round(before + share * (goal - before), 0 if spec.kind is int else 6)
                )
        changes["crossfade_s"] = min(self.duration_s, float(SPECS["crossfade_s"].maximum or 0))
        persistence = changes.get("persistence", self.goal.persistence)
        changes["persistence"] = min(persistence, self.persistence)
        return self.goal.replace(**changes)

    def towards(self, goal: Settings) -> Fade:
        """The same fade when somebody has set something meanwhile."""
        return replace(self, goal=goal)
