"""Times of things that take turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Run = Callable[[], object]
Clock = Callable[[], float]

_WARM_UPS = 2
#: Rounds: at least as many even when they take longer than asked, and no more when they are quick.
LEAST_ROUNDS, MOST_ROUNDS = 5, 60


def take_turns(
    runs: Mapping[str, Run], seconds: float, *, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """The median duration of each of ``runs`` in milliseconds, measured for about ``seconds`` altogether.

    Each runs twice before, uncounted: the first runs allocate memory and choose kernels.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_WARM_UPS):
        for run in runs.values():
            run()
    started = clock()
    for round_number in range(MOST_ROUNDS):
        for name, run in runs.items():
            start = clock()
            run()
            times[name].append((clock() - start) * 1e3)
        if round_number + 1 >= LEAST_ROUNDS and clock() - started > seconds:
            break
    return {name: statistics.median(found) for name, found in times.items()}


def fastest_s(run: Run, rounds: int, *, clock: Clock = time.perf_counter) -> float:
    """The shortest of some runs in seconds, after one more that is not counted."""
    run()
    times = []
    for _ in range(rounds):
        start = clock()
        run()
        times.append(clock() - start)
    return min(times)


def mean_ms(times_ms: list[float], block: int) -> float:
    """What one of a series of uneven ticks takes: the median, over blocks of so many ticks, of their mean."""
    blocks = [times_ms[n : n + block] for n in range(0, len(times_ms) - block + 1, block)] or [times_ms]
    return statistics.median(statistics.fmean(found) for found in blocks)
