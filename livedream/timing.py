"""Clocks, rates and percentiles. Nothing here sleeps: the caller passes ``now``, so tests need not wait."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

now_s = time.monotonic

_LONGEST_DELAY_S = 60.0


@dataclass(frozen=True)
class Percentiles:
    """Percentiles of durations, in milliseconds."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class RateMeter:
    """Events per second over the last ``window_s`` seconds."""

    def __init__(self, window_s: float = 2.0) -> None:
        self.window_s = window_s
        self.count = 0
        self._times: deque[float] = deque()

    def tick(self, now: float) -> None:
        """Count one event that happened at ``now``."""
        self.count += 1
        self._times.append(now)
        self._forget(now)

    def rate(self, now: float) -> float:
        """Events per second at ``now``; 0.0 if there were fewer than two in the window."""
        self._forget(now)
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(
            1e-9, max(self._times[-1], now - self.window_s / 4) - self._times[0]
        )

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] < now - self.window_s:
            self._times.popleft()


class Pacer:
    """A timer of ``rate_hz`` that the caller polls.

    Ticks that are missed are skipped, never caught up in a burst.
    """

    def __init__(self, rate_hz: float) -> None:
        self.interval_s = 1.0 / rate_hz
        self._next = 0.0

    def due(self, now: float) -> bool:
        """True once per tick: when the next one has come."""
        if now < self._next:
            return False
        self._next = max(self._next + self.interval_s, now + self.interval_s / 2)
        return True

    def wait_s(self, now: float) -> float:
        """Seconds until the next tick; 0.0 if it is due."""
        return max(0.0, self._next - now)


class SectionTimer:
    """Times named sections: ``with timer.section("flow"): ...``; keeps the last ``keep`` of each."""

    def __init__(self, keep: int = 2000) -> None:
        self._keep = keep
        self._ms: dict[str, deque[float]] = {}

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time the body under ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter() - start) * 1e3)

    def add(self, name: str, ms: float) -> None:
        """Record one duration."""
        self._ms.setdefault(name, deque(maxlen=self._keep)).append(ms)

    def summary(self) -> dict[str, Percentiles]:
        """The percentiles of each section, in milliseconds."""
        return {name: summarise(values) for name, values in self._ms.items()}


def summarise(values: Iterable[float]) -> Percentiles:
    """The percentiles of ``values`` by nearest rank, rounded to hundredths; zeros if there are none."""
    return percentiles(sorted(values) or [0.0])


def percentiles(ordered: Sequence[float] | NDArray[np.float64]) -> Percentiles:
    """The percentiles of at least one value, in order, by nearest rank; rounded to hundredths."""
    ranks = (int(fraction * len(ordered)) for fraction in (0.5, 0.95, 0.99))
    return Percentiles(*(round(float(ordered[rank]), 2) for rank in ranks))


def overload() -> float:
    """How much longer things may take now that more programs want to run than there are cores: 1.0 to 4.0."""
    try:
        waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    except (AttributeError, OSError):  # Windows
        return 1.0
    return min(4.0, max(1.0, waiting - 0.5))  # the mirror alone keeps all cores busy


def restart_delay_s(failures: int) -> float:
    """Seconds before a restart after this many failures in a row: none, then 1, 2, 4 … 60."""
    return 0.0 if failures <= 1 else min(_LONGEST_DELAY_S, 2.0 ** min(failures - 2, 10))
