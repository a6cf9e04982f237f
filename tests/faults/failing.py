"""Bodies of the dream process that fail on request. Imports are inside: each child loads this file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Ticks, or steps, that are well before something fails.
_WELL = 40


def well(job: Any) -> None:
    """Nothing fails."""
    from livedream.dream.process import run_dream

    run_dream(job)


def _ticking(job: Any, tick: Callable[..., Any]) -> None:
    """The dream process with ``tick(really, self, *args, **options)`` for the dreamer's tick."""
    from livedream.dream.dreamer import Dreamer

    really = Dreamer.tick
    Dreamer.tick = lambda self, *args, **options: tick(really, self, *args, **options)  # type: ignore
    well(job)


def lost_card(job: Any) -> None:
    """A graphics card that is lost after a while, until nobody uses it."""
    from dataclasses import replace

    from livedream.dream import process
    from livedream.errors import DeviceLostError

    ticks: list[int] = []

    def tick(really, self, *args, **options):
        ticks.append(1)
        if job.device != "cpu" and len(ticks) > _WELL:
            raise DeviceLostError("cuda:0 failed: CUDA error: unspecified launch failure")
        return really(self, *args, **options)

    opened = process._dreamer
    process._dreamer = lambda job, *rest: opened(replace(job, device="cpu"), *rest)  # there is no card here
    _ticking(job, tick)


def nan(job: Any) -> None:
    """Three ticks in a row are NaN, again and again."""
    ticks: list[int] = []

    def tick(really, self, *args, **options):
        ticks.append(1)
        return really(self, *args, **options) * float("nan" if len(ticks) % _WELL > _WELL - 4 else 1)

    _ticking(job, tick)


def no_room(job: Any) -> None:
    """There is no memory for more than 192 pixels."""

    def tick(really, self, image, settings, **options):
        if settings.working_px > 192:
            raise MemoryError
        return really(self, image, settings, **options)

    _ticking(job, tick)


def exceptions(job: Any) -> None:
    """Every fourth tick fails."""
    ticks: list[int] = []

    def tick(really, self, *args, **options):
        ticks.append(1)
        if len(ticks) % 4 == 3:
            raise ValueError("wrong")
        return really(self, *args, **options)

    _ticking(job, tick)


def no_gradient(job: Any) -> None:
    """The first runtime gives nothing any more after a while; the second does."""
    from livedream.runtimes.exported import ExportedBackend

    gradient, steps = ExportedBackend.gradient, []

    def failing(self, image, layer, objective):
        step = gradient(self, image, layer, objective)
        steps.append(1)
        if len(steps) > _WELL and "OpenVINO" in self.name:
            step.gradient[:] = 0
        return step

    ExportedBackend.gradient = failing  # type: ignore[method-assign]
    well(job)
