"""What is played at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from livedream.settings import Settings


@dataclass(frozen=True)
class Played:
    """Everything that is played at one moment, for all who follow it.

    ``transition_s`` is how long a change of layer, mix or the like takes now, None: as the settings say;
    ``persistence_limit_s`` is the longest half-life of the dream meanwhile, None: any. ``centre`` are the
    settings without modulation, None: there is none. ``leg_s`` is when a leg of a journey on the beat began,
    None: there is none.
    """

    settings: Settings
    transition_s: float | None = None
    persistence_limit_s: float | None = None
    centre: Settings | None = None
    leg_s: float | None = None

    @property
    def lasting(self) -> Settings:
        """The settings without modulation."""
        return self.settings if self.centre is None else self.centre
