"""What the dream falls back to when it keeps failing, and when something better is tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal

import msgspec

#: As it was asked for; without a graphics card; at the smallest size; no process, but what was last dreamt.
Rung = Literal["full", "cpu", "smaller", "still"]
RUNGS: tuple[Rung, ...] = ("full", "cpu", "smaller", "still")
#: What is said of each.
INSTEAD: dict[Rung, str] = {
    "full": "dreaming as before",
    "cpu": "dreaming on the CPU",
    "smaller": "dreaming at the smallest size",
    "still": "showing a still dream",
}

#: A dream that dies so often in so many seconds, or in a row without having been well, is not started in the
#: same way again.
MOST_DEATHS, _WITHIN_S = 5, 60.0
#: A better rung is tried after this long, and after twice as long each time that this fails.
RETRY_S, _MOST_RETRY_S = 60.0, 3840.0
#: A dream that has gone on for this long is well enough to be interrupted; a tried one has proved itself.
_WELL_S, _PROVED_S = 10.0, 60.0


class Fallback(msgspec.Struct, frozen=True):
    """Where the dream is on the way down: ``rung``, and ``why``; "full" is as it was asked for."""

    rung: Rung = "full"
    why: str = ""


class Chain:
    """Goes down the ``rungs`` when the dream fails, and up again. Times are ``now``, in seconds."""

    def __init__(self, rungs: Sequence[Rung] = RUNGS) -> None:
        self._rungs = list(rungs)
        self._at = 0
        self._why: dict[Rung, str] = {}  # why each rung was reached
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        self._in_a_row = 0
        self._patience_s = RETRY_S
        self._retry_s = 0.0
        self._trying = False

    @property
    def now(self) -> Fallback:
        """Where the dream is."""
        rung = self._rungs[self._at]
        return Fallback(rung, self._why.get(rung, ""))

    @property
    def trying(self) -> bool:
        """Whether something better is being tried, and has not proved itself yet."""
        return self._trying

    def skip(self, rung: Rung) -> None:
        """A rung that is no other than the one above it."""
        if rung in self._rungs and self._rungs[self._at] != rung:
            present = self._rungs[self._at]
            self._rungs.remove(rung)
            self._at = self._rungs.index(present)

    def died(self, now: float, how: str, well_s: float = 0.0) -> bool:
        """The dream died or hung, as ``how`` says, after progress for ``well_s``; whether to start less."""
        self._deaths.append(now)
        self._in_a_row = 1 if well_s >= _WELL_S else self._in_a_row + 1
        if self._trying:
            return self._down(now, f"{how} again")
        if len(self._deaths) == MOST_DEATHS and now - self._deaths[0] <= _WITHIN_S:
            return self._down(now, f"the dream {how} {MOST_DEATHS} times in a minute")
        return self._in_a_row >= MOST_DEATHS and self._down(
            now, f"the dream {how} {MOST_DEATHS} times in a row"
        )

    def lost(self, now: float, why: str) -> bool:
        """The graphics card failed; whether the dream is to be started without it."""
        return self._rungs[self._at] == "full" and self._down(now, why)

    def step(self, now: float, well_s: float) -> bool:
        """Look at a dream that has made progress for ``well_s``; whether to try something better now."""
        if self._trying and well_s >= _PROVED_S:
            self._trying, self._patience_s = False, RETRY_S
            self._retry_s = now + RETRY_S
        well = well_s >= _WELL_S or self._rungs[self._at] == "still"
        if self._at == 0 or self._trying or now < self._retry_s or not well:
            return False
        self._at -= 1
        self._trying, self._in_a_row = True, 0
        self._deaths.clear()
        return True

    def _down(self, now: float, why: str) -> bool:
        if self._at == len(self._rungs) - 1:
            return False
        self._at += 1
        if self._trying:  # the reason for which this rung was first reached still holds
            self._patience_s = min(2 * self._patience_s, _MOST_RETRY_S)
        else:
            self._patience_s = RETRY_S
            self._why[self._rungs[self._at]] = why
        self._trying = False
        self._deaths.clear()
        self._in_a_row = 0
        self._retry_s = now + self._patience_s
        return True
