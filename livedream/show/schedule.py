"""When a show begins and ends: the rules of ``--frames`` and ``--duration``, and the flag that stops it."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

#: A show without a dream begins all the same after this long: ``--frames`` and ``--duration`` must end it.
_LONGEST_OVERTURE_S = 60.0
#: The system ends (SIGTERM), or the terminal has gone; somebody's Ctrl-C is neither.
_BY_THE_SYSTEM = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


@dataclass
class Schedule:
    """Begins with the first dreamt picture, ends after ``frames`` or ``duration_s`` of dream.

    ``started_s`` is when the command was given. Times are of one clock; ``begun_s`` is None before the show
    has begun.
    """

    started_s: float
    frames: int | None = None
    duration_s: float | None = None
    begun_s: float | None = None

    def begins(self, now: float, dreamt: bool) -> bool:
        """True, once, when the show begins: ``dreamt`` is whether there is a dream to be shown."""
        if self.begun_s is not None or not (dreamt or now - self.started_s > _LONGEST_OVERTURE_S):
            return False
        self.begun_s = now
        return True

    def ended(self, now: float, frames: int) -> bool:
        """Whether the show is over, with ``frames`` camera frames shown since it began."""
        if self.begun_s is None:
            return False
        enough = self.frames is not None and frames >= self.frames
        return enough or (self.duration_s is not None and now - self.begun_s >= self.duration_s)


class Stop(Protocol):
    """Whether the show is to end; calling it ends it."""

    @property
    def is_set(self) -> bool:
        """Whether it is to end."""

    def __call__(self) -> None:
        """End it."""


class StopFlag:
    """Whether the show is to end; also a signal handler that sets it.

    ``interrupted``: not by somebody at the mirror, but by the system, which may start it again to go on.
    """

    def __init__(self) -> None:
        self.is_set = self.interrupted = False

    def __call__(self, number: int = 0, _frame: FrameType | None = None) -> None:
        """End the show after the picture that is being made, because of the signal ``number``, if any."""
        self.is_set = True
        self.interrupted = self.interrupted or number in _BY_THE_SYSTEM

    def interrupt(self) -> None:
        """End the show, which is to be gone on with."""
        self.is_set = self.interrupted = True
