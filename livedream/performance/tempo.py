"""The tempo: beats per minute and which beat it is, tapped, set, or followed from MIDI's clock or Link."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from livedream.controls.actions import Beat, Clock
from livedream.settings import SPECS, Settings

_HIGHEST_BPM = float(SPECS["bpm"].maximum or 300)
_LOWEST_BPM = 20.0
#: A tap after so long begins a new series; the last taps count.
_SERIES_S, _TAPS = 60.0 / _LOWEST_BPM, 12
#: A tap so far from the beat, in beats, is a slip, once so many taps agree.
_SLIP, _AGREED = 0.2, 3
_TICKS_PER_BEAT = 24
#: The clock is averaged over two beats: USB delivers a tick a few milliseconds early or late.
_TICKS = 2 * _TICKS_PER_BEAT
#: Without a tick for so long the clock has stopped, and its tempo goes on by itself.
_CLOCK_GONE_S = 0.5
_BAR = 4
#: A leg of a journey is taken to begin at another time when that differs by more than this.
_SAME_S = 0.03


class Tempo:
    """``bpm``, 0.0 for none, and the position in beats. Times are seconds of one clock (``timing.now_s``).

    ``origin`` is what it was set by last: ``tap``, ``midi``, ``link``, or empty.
    """

    def __init__(self) -> None:
        self.bpm = 0.0
        self.origin = ""
        self._time_s = self._beat = 0.0  # a moment, and the beat that it was
        self._taps: list[float] = []
        self._ticks: deque[tuple[int, float]] = deque(maxlen=_TICKS)
        self._tick = -1
        self._shift = 0.0  # of the beats that are followed, by resync

    def beats(self, now: float) -> float | None:
        """Beats since the first; None without a tempo."""
        return self._beat + (now - self._time_s) * self.bpm / 60 if self.bpm > 0 else None

    def set(self, bpm: float, now: float, origin: str = "") -> None:
        """Go on at another tempo from the present beat."""
        self._beat, self._time_s = self.beats(now) or 0.0, now
        self.bpm, self.origin = bpm, origin

    def tap(self, now: float) -> None:
        """A tap on the beat. From the second on the tempo is that of the taps, without slips."""
        if self._taps and not 0 <= now - self._taps[-1] <= _SERIES_S:
            self._taps.clear()
        self._taps = [*self._taps[-_TAPS + 1 :], now]
        counted = _counted(self._taps)
        if len(counted) < 2:
            return
        first_s, beat_s = _line(counted)
        if not _LOWEST_BPM <= 60 / beat_s <= _HIGHEST_BPM:
            return
        newest = counted[-1][0]
        time_s = first_s + newest * beat_s
        self._beat = float(round(self.beats(time_s) or 0.0))
        self._time_s, self.bpm, self.origin = time_s, 60 / beat_s, "tap"

    def resync(self, now: float) -> None:
        """The first beat of a bar of four is now."""
        before = self.beats(now) or 0.0
        self._beat, self._time_s = float(_BAR * round(before / _BAR)), now
        self._shift += self._beat - before

    def act(self, action: Clock | Beat, origin: str) -> None:
        """Follow MIDI's clock, or a beat that others play at."""
        match action:
            case Clock("start"):  # the next tick is beat 0
                self._tick, self._shift = -1, 0.0
                self._ticks.clear()
            case Clock("tick", time_s):
                self._midi_tick(time_s)
            case Beat(bpm, beat, time_s):
                self.follow(bpm, beat, time_s, origin)

    def _midi_tick(self, time_s: float) -> None:
        if self._ticks and not 0 <= time_s - self._ticks[-1][1] <= _CLOCK_GONE_S:
            self._ticks.clear()
        self._tick += 1
        self._ticks.append((self._tick, time_s))
        if len(self._ticks) < _TICKS_PER_BEAT // 2:
            return
        first_s, tick_s = _line(self._ticks)
        if tick_s > 0 and _LOWEST_BPM <= (bpm := 60 / (tick_s * _TICKS_PER_BEAT)) <= _HIGHEST_BPM:
            self.follow(bpm, self._tick / _TICKS_PER_BEAT, first_s + self._tick * tick_s, "midi")

    def follow(self, bpm: float, beat: float, time_s: float, origin: str) -> None:
        """Somebody else's tempo: it was ``beat`` at ``time_s``."""
        if not (math.isfinite(beat) and math.isfinite(time_s) and 0 < bpm <= _HIGHEST_BPM):
            return
        self._beat, self._time_s, self.bpm, self.origin = beat + self._shift, time_s, bpm, origin


class Legs:
    """When the present leg of a journey on the beat began: ``began_s``, None without one.

    It stays the same number for a whole leg, however the tempo is corrected by a few milliseconds.
    """

    def __init__(self) -> None:
        self.began_s: float | None = None

    def step(self, settings: Settings, beats: float | None, now: float) -> None:
        """Follow the tempo: ``beats`` is the position in beats at ``now``, None without a tempo."""
        if beats is None or not (settings.journey and settings.journey_on_beat and settings.bpm > 0):
            self.began_s = None
            return
        began_s = now - beats % settings.journey_beats * 60 / settings.bpm
        if self.began_s is None or abs(began_s - self.began_s) > _SAME_S:
            self.began_s = began_s


def _counted(taps: Sequence[float]) -> list[tuple[int, float]]:
    """Taps with the number of the beat that each was on: doubles and slips are left out, gaps counted."""
    if len(taps) < 2:
        return [(0, time_s) for time_s in taps]
    beat_s = median(b - a for a, b in pairwise(taps))
    counted = [(0, taps[0])]
    for time_s in taps[1:]:
        number, before_s = counted[-1]
        passed = (time_s - before_s) / max(beat_s, 1e-6)
        if (steps := round(passed)) >= 1:
            counted.append((number + steps, time_s))
    if len(counted) <= _AGREED:
        return counted
    middle = median(time_s - number * beat_s for number, time_s in counted)
    kept = [(n, time_s) for n, time_s in counted if abs(time_s - n * beat_s - middle) < _SLIP * beat_s]
    return kept if len(kept) >= _AGREED else counted


def _line(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """(time of number 0, seconds per number) of the straight line nearest to ``points``."""
    count = len(points)
    middle = sum(number for number, _ in points) / count
    middle_s = sum(time_s for _, time_s in points) / count
    spread = sum((number - middle) ** 2 for number, _ in points)
    slope = sum((number - middle) * (time_s - middle_s) for number, time_s in points) / spread
    return middle_s - slope * middle, slope
