"""Decides whether the room or this machine dreams. Pure: times are ``now``, in seconds of one clock."""

from __future__ import annotations

from typing import Literal

#: A room is well while it answers each picture within this time, and no answer is missing for longer.
SLOW_S = 0.75
#: For how long a room has to be well before it dreams. When it fails soon again it has to be well for twice
#: as long, up to the last.
TRIAL_S, LONGEST_TRIAL_S = 1.0, 30.0
#: What fails within this time of dreaming has failed soon.
_SOON_S = 30.0
#: How long one dream takes to become the other.
CROSSFADE_S = 0.7
#: A room whose dream is much weaker than the one here is given this long to catch up: it opens graphs, say.
WEAK_S = 10.0

Where = Literal["here", "fading", "there"]


class Choosing:
    """``where`` is where the dream is made: ``here``, ``there``, or ``fading`` from here to there.

    ``why`` names what was wrong with the room when the dream last came back, until it is there again.
    """

    def __init__(self) -> None:
        self.where: Where = "here"
        self.why = ""
        self._well_s: float | None = None  # since when the room is well
        self._answered_s: float | None = None
        self._trial_s = TRIAL_S
        self._there_s = 0.0  # since when it fades or is there

    @property
    def trying(self) -> bool:
        """Whether the room is well, and has to be for some time yet."""
        return self.where == "here" and self._well_s is not None

    def share(self, now: float) -> float:
        """The room's share of the dream that is shown, 0 to 1."""
        if self.where != "fading":
            return float(self.where == "there")
        return min(1.0, max(0.0, (now - self._there_s) / CROSSFADE_S))

    def answered(self, took_s: float, now: float) -> None:
        """A residual came, ``took_s`` after its picture had been sent."""
        self._answered_s = now
        if took_s > SLOW_S:
            self._fails(f"the room's answers take {took_s:.1f} s", now)
        elif self._well_s is None:
            self._well_s = now

    def lost(self, why: str, now: float) -> bool:
        """The room cannot dream, as ``why`` says, empty where nothing is wrong; whether it did until now."""
        return self._fails(why, now)

    def step(self, now: float, *, as_strong: bool = True, every_s: float = 0.0) -> Where:
        """Where the dream is made from now on.

        ``as_strong``: the room's is about as strong as that here; ``every_s``: pictures are so far apart.
        """
        silent_s = 0.0 if self._answered_s is None else now - self._answered_s
        if self._well_s is not None and silent_s > SLOW_S + every_s:
            self._fails("the room does not answer", now)
        elif self.where == "here" and self._well_s is not None:
            well_s = now - self._well_s
            if well_s >= self._trial_s and (as_strong or well_s >= max(self._trial_s, WEAK_S)):
                self.where, self._there_s, self.why = "fading", now, ""
        elif self.where == "fading" and now - self._there_s >= CROSSFADE_S:
            self.where = "there"
        return self.where

    def _fails(self, why: str, now: float) -> bool:
        dreamt, self._well_s = self.where != "here", None
        if dreamt:
            soon = now - self._there_s < _SOON_S
            self._trial_s = min(LONGEST_TRIAL_S, 2 * self._trial_s) if soon else TRIAL_S
        if why and (dreamt or not self.why):
            self.why = why
        self.where = "here"
        return dreamt
