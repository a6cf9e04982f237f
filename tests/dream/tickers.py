"""Dreams that tick on a device at the same time, and what each would have dreamt alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch

from livedream.dream.ascent import PlannedStep
from livedream.dream.device import DeviceDream, DeviceTarget
from livedream.dream.device_batch import Batches
from livedream.runtimes.on_device import DeviceGradient
from tests.dream.fake_device import DEVICE, SETTINGS, SIZE, direction, film

#: Nobody waits so long: whoever is waited for comes.
LONG_S = 60.0
SIZES = [SIZE, (67, 120), (48, 86)]
#: Steps as two ticks in turn take them.
STEPS = (
    [PlannedStep(SIZES[0], (3, -2), 1.2), PlannedStep(SIZES[2], (-5, 0), 0.4)],
    [PlannedStep(SIZES[1], (1, 4), 0.8)],
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def batches(clock, **options):
    """Batches in which nobody who is expected fails to come in time: ticks are a second apart."""
    return Batches(DEVICE, **{"wait_s": 0.5, "worth": 1, "clock": clock, **options})


class Ticker:
    """A dream on a film of its own, with given targets; ``found`` are its residuals."""

    def __init__(self, n: int, targets, together: Batches | None, settings=SETTINGS) -> None:
        self.n, self.targets, self.settings = n, targets, settings
        self.dream = DeviceDream(DEVICE, batches=together)
        self.frames: Iterator[np.ndarray] = itertools.cycle(film(seed=n))
        self.found: list[np.ndarray] = []
        self.finite: list[bool] = []

    def tick(self, count: int) -> None:
        settings, frame = self.settings, next(self.frames)
        steps = [
            PlannedStep(step.size, (step.shift[0] + self.n, step.shift[1]), step.reach * (1 + 0.1 * self.n))
            for step in STEPS[count % 2]
        ]
        self.dream.follow(frame, settings, 1 / 40)
        residual, finite = self.dream.start(steps, self.targets(self.n), settings, 1 / 40, 1 / 80)()
        self.found.append(residual)
        self.finite.append(finite)


def stand_in(n: int, second: float | None = None, layer: str = "layer") -> list[DeviceTarget]:
    """A target whose second input is the dream's own."""
    given = torch.tensor(1.0 + n if second is None else second, device=DEVICE)
    gradient = DeviceGradient(layer, direction, given, batchable=True)
    return [DeviceTarget(1.0, dict.fromkeys(SIZES, gradient), False, layer)]


def run(pool, clock, tickers, ticks: int) -> None:
    """All tick at the same time, again and again."""
    for count in range(ticks):
        for done in [pool.submit(ticker.tick, count) for ticker in tickers]:
            done.result(LONG_S)
        clock.now += 1.0


def assert_as_alone(tickers, targets, settings=SETTINGS, within=1e-4, ticks=None, ties=0.01) -> None:
    """Each is as if it had ticked alone, ``within`` a fraction of its strength in the median, at first
    ``ticks`` or all of them.

    Where a rounded value nearly ties a pixel may differ by more: that many of them at most, as ``ties``.
    """
    for ticker in tickers:
        lone = Ticker(ticker.n, targets, None, settings)
        for count in range(len(ticker.found)):
            lone.tick(count)
        pairs = zip(ticker.found[:ticks], lone.found[:ticks], strict=True)
        for count, (found, expected) in enumerate(pairs):
            difference, strength = np.abs(found - expected), np.abs(expected).mean()
            assert strength > 0.3
            assert np.median(difference) < within * strength, (ticker.n, count)
            assert np.mean(difference > 0.05 * strength) < ties, (ticker.n, count)
