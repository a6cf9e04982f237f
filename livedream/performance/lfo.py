"""Where an LFO is at a moment: a pure function of time, so it never drifts and needs no ticks."""

from __future__ import annotations

import math

from livedream.controls.patch import Lfo
from livedream.curves import smoothstep


def level(lfo: Lfo, now: float, beats: float | None) -> float:
    """The value (-1..1) of ``lfo`` at ``now`` (seconds), ``beats`` after the tempo's first beat.

    0.0 where it follows the tempo and there is none (``beats`` is None).
    """
    if lfo.beats > 0:
        if beats is None:
            return 0.0
        cycles = beats / lfo.beats
    else:
        cycles = now / lfo.period_s
    cycles += lfo.phase
    cycle = math.floor(cycles)
    x = cycles - cycle
    match lfo.shape:
        case "triangle":
            return 1 - 4 * abs((x + 0.25) % 1 - 0.5)
        case "saw up":
            return 2 * x - 1
        case "saw down":
            return 1 - 2 * x
        case "square":
            return 1.0 if x < 0.5 else -1.0
        case "random":
            return _random(lfo, cycle)
        case "smooth random":
            return _random(lfo, cycle) + smoothstep(x) * (_random(lfo, cycle + 1) - _random(lfo, cycle))
    return math.sin(2 * math.pi * x)


def _random(lfo: Lfo, cycle: int) -> float:
    """A level (-1..1) that is always the same for a cycle, and another for the next one and another LFO."""
    mixed = hash((cycle, lfo.period_s, lfo.beats, lfo.phase)) & 0xFFFFFFFF
    return mixed / 0x7FFFFFFF - 1 if mixed < 0xFFFFFFFF else 1.0
