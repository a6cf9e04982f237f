"""Measures a show: rates, latency, memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

from livedream.files import replace_file
from livedream.show.snapshot import Measured, Stats
from livedream.timing import Percentiles, RateMeter, SectionTimer, percentiles, summarise

#: The newest latencies that the percentiles are of: five minutes at 30 fps. A show may last for weeks.
_LATENCIES = 9000
_RECENT = 60
#: A picture is late when it takes longer than this from its frame to the screen: at 60 Hz it misses its
#: refresh. The fraction of late ones is rounded to steps, so that it does not change all the time.
_LATE_S, _LATE_STEP = 0.025, 0.05
#: So many pictures are looked at: about two seconds.
_PUNCTUALITY = 100
#: As many intervals between pictures: five minutes at 60 Hz.
_INTERVALS = 18000


class _Newest:
    """The newest durations, ``size`` of them at most, in milliseconds. Sorted by numpy: 0.3 ms, not 4."""

    def __init__(self, size: int) -> None:
        self._values, self._count = np.zeros(size), 0

    def append(self, ms: float) -> None:
        self._values[self._count % len(self._values)] = ms
        self._count += 1

    def clear(self) -> None:
        self._count = 0

    def summary(self) -> Percentiles:
        return percentiles(np.sort(self._values[: self._count])) if self._count else Percentiles()


class Statistics:
    """Counts shown pictures, latencies and dropped frames. Times are ``now``, in seconds of one clock."""

    def __init__(self) -> None:
        self.timer = SectionTimer()
        self.display = RateMeter()
        self.first_picture_s: float | None = None
        self.first_dream_s: float | None = None
        self.dropped = 0
        self.frames = 0
        self.peak_rss_mb = 0.0
        #: How often a scene was composed, and how often nothing was new when a picture was due.
        self.recomposed = self.unchanged = 0
        self._intervals = _Newest(_INTERVALS)
        self._recent_intervals: deque[float] = deque(maxlen=2 * _RECENT)
        self._shown_s: float | None = None
        self._latencies = _Newest(_LATENCIES)
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._late: deque[bool] = deque(maxlen=_PUNCTUALITY)
        self._last_index: int | None = None
        self._since: tuple[float, int, int] | None = None
        self._now = 0.0
        self._ticks = self._counted = 0

    def shown(self, now: float, index: int, captured_s: float, ticks: int) -> None:
        """A picture was flipped at ``now``, made of the camera frame ``index`` captured at ``captured_s``.

        ``ticks`` is the dream process's own count, which starts again with the process.
        """
        self._now = now
        if self._shown_s is not None:
            interval_ms = (now - self._shown_s) * 1e3
            self._intervals.append(interval_ms)
            self._recent_intervals.append(interval_ms)
        self._shown_s = now
        self._ticks += ticks - self._counted if ticks >= self._counted else ticks
        self._counted = ticks
        self.display.tick(now)
        if index == self._last_index:
            return
        if self._last_index is not None:
            self.dropped += max(0, index - self._last_index - 1)
        self._last_index = index
        self.frames += 1
        latency_ms = (now - captured_s) * 1e3
        self._latencies.append(latency_ms)
        self._recent.append(latency_ms)

    def begin(self, now: float) -> None:
        """The dream is there: rates and ``frames`` count from here, not from the loading."""
        self._since = (now, self.display.count, self._ticks)
        self.frames = self.recomposed = self.unchanged = 0
        self._intervals.clear()
        self._last_index = None  # the frame that is shown now is the first, even if it was shown before

    def measure_memory(self, pids: Iterable[int]) -> None:
        """Take the memory of all processes together, and keep the peak."""
        import psutil

        total = 0
        for pid in (os.getpid(), *pids):
            try:
                total += psutil.Process(pid).memory_info().rss
            except psutil.Error:  # it has just ended
                continue
        self.peak_rss_mb = max(self.peak_rss_mb, total / 2**20)

    @property
    def ticks(self) -> int:
        """How many ticks the dream has made in all, over its restarts."""
        return self._ticks

    def latency_ms(self) -> Percentiles:
        """The latencies of the last new frames."""
        return summarise(self._recent)

    def took(self, seconds: float) -> None:
        """A picture took so long from the newest frame and residual to the screen."""
        self._late.append(seconds > _LATE_S)

    @property
    def late(self) -> float:
        """The fraction of the latest pictures that were late, 0.0 until there are enough of them."""
        if len(self._late) < _PUNCTUALITY:
            return 0.0
        return round(round(sum(self._late) / len(self._late) / _LATE_STEP) * _LATE_STEP, 2)

    def interval_ms(self) -> Percentiles:
        """The last intervals between pictures, two seconds of them at 60 Hz."""
        return summarise(self._recent_intervals)

    def measured(self) -> Measured:
        """What was measured since :meth:`begin`. Latency is from a frame's capture stamp to its flip."""
        since_s, shown, ticks = self._since or (self._now, self.display.count, self._ticks)
        seconds = max(1e-6, self._now - since_s)
        return Measured(
            display_fps=round((self.display.count - shown) / seconds, 2),
            dream_fps=round((self._ticks - ticks) / seconds, 2),
            latency_ms=self._latencies.summary(),
            interval_ms=self._intervals.summary(),
            longest_interval_ms=round(max(self._recent_intervals, default=0.0), 2),
            pictures=self.display.count - shown,
            recomposed=self.recomposed,
            unchanged=self.unchanged,
            frame_ms=self.timer.summary(),
            frames=self.frames,
            ticks=self._ticks,
            dropped=self.dropped,
            rss_mb=round(self.peak_rss_mb, 1),
            first_picture_s=self.first_picture_s,
            first_dream_s=self.first_dream_s,
        )


def write_stats(path: Path, values: Stats) -> None:
    """Write ``values`` as JSON, whole or not at all. Raises ``OutputError`` when it cannot be written."""
    text = msgspec.json.format(msgspec.json.encode(values), indent=2)
    replace_file(path, text + b"\n")
