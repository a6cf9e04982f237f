"""The dream process: the newest frame in, the residual out, for ever. It alone imports torch."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2

from livedream.dream.loading import Loader, loading_message
from livedream.errors import LivedreamError
from livedream.ipc.child import settle_in
from livedream.ipc.slots import Slot, Value
from livedream.settings import Settings
from livedream.timing import Pacer, RateMeter, now_s

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer

log = logging.getLogger(__name__)

#: More threads than this only wait for each other on pictures as small as these.
_MOST_THREADS = 8


@dataclass(frozen=True)
class DreamJob:
    """What the dream process is started with: its slots by name, the first network, the device."""

    frames: str
    orders: str
    residuals: str
    status: str
    network: str
    weights: str | None
    device: str
    backend: str
    log_level: int


def dream_threads() -> int:
    """Threads for the network: all cores but the one that the picture needs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST_THREADS, cores - 1))


def run_dream(job: DreamJob) -> None:
    """The body of the dream process."""
    settle_in("dream", job.log_level)
    cv2.setNumThreads(1)
    with ExitStack() as slots:
        frames, orders, residuals, status = (
            slots.enter_context(Slot(name)) for name in (job.frames, job.orders, job.residuals, job.status)
        )
        _dream(job, frames, orders, residuals, _Status(status))


def _dream(job: DreamJob, frames: Slot, orders: Slot, residuals: Slot, status: _Status) -> None:
    try:
        status.show(state="loading", message=loading_message(job.network, job.weights))
        started = now_s()
        os.environ["OMP_NUM_THREADS"] = str(dream_threads())
        import torch

        torch.set_num_threads(dream_threads())
        from livedream.dream.dreamer import Dreamer

        dreamer = Dreamer(
            job.network,
            weights=job.weights,
            device=job.device,
            backend=job.backend,
            threads=dream_threads(),
            wait=False,
        )
        log.info("%s on %s, ready after %.1f s", job.network, dreamer.backend.name, now_s() - started)
        _Loop(job, dreamer, frames, orders, residuals, status).run()
    except LivedreamError as error:
        log.error("%s", error)
        status.show(state="failed", error=str(error))
        raise SystemExit(1) from error
    except Exception as error:
        log.exception("the dream broke off")
        status.show(state="failed", error=f"the dream broke off: {type(error).__name__}: {error}")
        raise SystemExit(1) from error


class _Status:
    """What the show process may know of the dream, as one JSON value."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._values: dict[str, Any] = {"state": "starting", "message": "", "error": "", "ticks": 0}

    def show(self, **changes: Any) -> None:
        self._values |= changes | {"time_s": now_s()}
        self._slot.publish_json(self._values)


class _Loop:
    """Ticks on the newest frame, follows the newest settings, loads networks beside it."""

    def __init__(
        self, job: DreamJob, dreamer: Dreamer, frames: Slot, orders: Slot, residuals: Slot, status: _Status
    ) -> None:
        self._job = job
        self._dreamer = dreamer
        self._status = status
        self._loader = Loader(dreamer, {job.network: job.weights})
        self._frames, self._orders, self._residuals = frames, orders, residuals
        self._rate = RateMeter()
        self._report = Pacer(10.0)
        self._tick_ms = 0.0
        self._working = (0, 0)

    def run(self) -> None:
        order_seq = frame_seq = 0
        wanted, aspect = Settings(network=self._job.network), None
        pace = Pacer(wanted.dream_rate_hz)
        frame: Value | None = None
        while True:
            order = self._orders.read_json(order_seq)
            if order is not None:
                order_seq, values = order
                wanted, aspect = self._follow(wanted, values)
                pace.interval_s = 1.0 / wanted.dream_rate_hz
            settings = self._loader.follow(wanted)
            wait_s = pace.wait_s(now_s())
            if wait_s > 0:
                time.sleep(min(wait_s, 0.01))
                self._tell(settings)
                continue
            newer = self._frames.wait(frame_seq, 0.05 if frame is None else 0.0)
            if newer is not None:
                frame, frame_seq = newer, newer.seq
            if frame is not None and pace.due(now_s()):
                self._tick(frame, settings, aspect)
            self._tell(settings)

    def _follow(self, before: Settings, values: dict[str, Any]) -> tuple[Settings, float | None]:
        aspect: float | None = values["aspect"]
        try:
            return Settings.from_dict(values["settings"]), aspect
        except LivedreamError as error:  # the show checks first; if it did not, what was set goes on
            log.error("%s", error)
            return before, aspect

    def _tick(self, frame: Value, settings: Settings, aspect: float | None) -> None:
        start = now_s()
        residual = self._dreamer.tick(frame.array, settings, time_s=start, aspect=aspect)
        self._residuals.publish(residual, index=frame.index, time_s=frame.time_s)
        self._working = (residual.shape[1], residual.shape[0])
        self._tick_ms = (now_s() - start) * 1e3
        self._rate.tick(now_s())

    def _tell(self, settings: Settings) -> None:
        if not self._report.due(now_s()):
            return
        self._status.show(
            state="ready",
            message=self._loader.message or self._dreamer.backend.message,
            error=self._loader.error,
            network=settings.network,
            layer=settings.layer,
            channels=settings.channels,
            guide=settings.guide,
            guides=self._loader.guides,
            shown=self._dreamer.shown_words,
            failed=self._loader.failed,
            backend=self._dreamer.backend.name,
            ticks=self._rate.count,
            dream_fps=round(self._rate.rate(now_s()), 2),
            tick_ms=round(self._tick_ms, 2),
            working=self._working,
            sections=self._dreamer.timer.summary(),
        )
