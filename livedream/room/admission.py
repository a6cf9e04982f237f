"""Whether there is room for one mirror more: a full room says so, instead of slowing everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from livedream.dream.governor import SIZES, work
from livedream.dream.octaves import STEPS_S

#: Each mirror gets at least so many ticks a second, at the smallest size that the governor has.
LEAST_HZ = 12.0
#: A full room is worth another try after this long.
RETRY_S = 15.0
_SMALLEST = SIZES[0], 1


@dataclass(frozen=True)
class Load:
    """What one session costs: ``least_s`` are the seconds of a tick at the smallest size, 0.0 if not known
    yet; ``rate_hz`` are its ticks a second, None where that says nothing."""

    least_s: float = 0.0
    rate_hz: float | None = None


def least_s(tick_s: float, working_px: int, steps: int, rate_hz: float) -> float:
    """How long a tick at the smallest size would take, where ``rate_hz`` ticks a second at ``working_px``
    and ``steps`` take ``tick_s`` each."""
    taken = steps * min(1.0, 1 / (rate_hz * STEPS_S)) if rate_hz else steps
    return tick_s * work(_SMALLEST) / work((working_px, taken))


def objection(loads: Sequence[Load], tick_s: float, *, most: int, alone: bool) -> str:
    """Why one session more would be too many, or "".

    ``loads`` are the sessions that are there, of at most ``most``; ``tick_s`` is what a tick of the shipped
    network takes here at the smallest size, which counts until real ones are known. ``alone``: one session
    ticks at a time, so their times add up.
    """
    if len(loads) >= most:
        return f"{len(loads)} of {most} mirrors"
    slowest = min((load.rate_hz for load in loads if load.rate_hz is not None), default=LEAST_HZ)
    if slowest < LEAST_HZ:
        return f"{len(loads)} mirrors, of which one gets only {slowest:.0f} ticks/s"
    if alone:
        known = [load.least_s for load in loads if load.least_s]
        usual_s = sum(known) / len(known) if known else tick_s
        needed_s = usual_s * (1 + len(loads) - len(known)) + sum(known)
        if needed_s * LEAST_HZ > 1:
            hz = 1 / needed_s
            return f"{len(loads)} mirrors; with one more each would get only {hz:.0f} ticks/s"
    return ""
