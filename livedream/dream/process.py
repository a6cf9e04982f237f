"""The dream process: the newest frame in, the residual out, until it is terminated. It alone uses the GPU.

PyTorch is loaded only for what no other runtime can run: see :mod:`livedream.runtimes.exported`.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import cv2
from msgspec import structs

from livedream.cores import usable_cores
from livedream.dream.away import Away
from livedream.dream.care import HopelessError
from livedream.dream.live import LiveDream
from livedream.dream.loading import Loader, loading_message, needs_download
from livedream.errors import DeviceLostError, LivedreamError
from livedream.ipc.child import set_up_child
from livedream.ipc.heartbeat import heartbeat
from livedream.ipc.mailbox import Receiver, Sender
from livedream.ipc.protocol import DreamStatus, Order
from livedream.ipc.slots import Slot, Value
from livedream.room_address import RoomKeys
from livedream.runtimes.names import ON_GRAPHICS
from livedream.settings import Settings
from livedream.timing import Pacer, now_s

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.dream.room_exchange import Dreamt

log = logging.getLogger(__name__)

#: More threads than this only wait for each other on images as small as these.
_MOST_THREADS = 8
_REPORTS_HZ = 10.0
_ORDER_WAIT_S = 10.0
#: While a room dreams, how often this machine gets ready for doing so, and how long it waits for a residual.
_RESTING_HZ, _NEWS_S = 2.0, 0.02


@dataclass(frozen=True)
class DreamJob:
    """What the dream process is started with: its slots by name, and how to run networks.

    What to dream is in the newest order. Until the first comes, what ``settings`` name is opened; ``weights``
    is the file of their network, if one was named. ``limit_px`` bounds the longer side of the working size,
    None does not. ``room_keys`` open the room that the settings may name.
    """

    frames: str
    orders: str
    residuals: str
    status: str
    settings: Settings
    weights: str | None
    device: str
    backend: str
    log_level: int
    limit_px: int | None = None
    room_keys: RoomKeys = field(default_factory=RoomKeys)


def without_graphics(job: DreamJob) -> DreamJob:
    """The same job on the CPU."""
    return replace(job, device="cpu", backend="auto" if job.backend in ON_GRAPHICS else job.backend)


def dream_threads() -> int:
    """Threads for the network: all cores but the one that the picture needs."""
    return max(1, min(_MOST_THREADS, usable_cores() - 1))


def run_dream(job: DreamJob) -> None:
    """The body of the dream process."""
    set_up_child("dream", job.log_level)
    cv2.setNumThreads(1)
    with ExitStack() as slots:
        frames, orders, residuals, status = (
            slots.enter_context(Slot(name)) for name in (job.frames, job.orders, job.residuals, job.status)
        )
        sender: Sender[DreamStatus] = Sender(status)
        try:
            received = Receiver(orders, Order)
            dreamer = _dreamer(job, order := received.newer(), sender)
            order = received.newer() or order or _first_order(received)
            _Loop(dreamer, order, received, frames, residuals, sender, job).run()
        except LivedreamError as error:
            log.error("%s", error)
            # A lost device does not end the show, not even before its first picture: the CPU takes over.
            lost = isinstance(error, DeviceLostError)
            sender.send(DreamStatus(phase="importing" if lost else "failed", error=str(error)))
            raise SystemExit(error.exit_code) from error
        except HopelessError as error:  # which ends no show
            log.error("%s", error)
            sender.send(DreamStatus(phase="importing", error=str(error)))
            raise SystemExit(1) from error
        except Exception as error:
            log.exception("the dream process crashed")
            text = f"the dream process crashed: {type(error).__name__}: {error}"
            sender.send(DreamStatus(phase="failed", error=text))
            raise SystemExit(1) from error


def _first_order(orders: Receiver[Order]) -> Order:
    """The newest order, which the show gives once it knows its screen. Raises ``LivedreamError``."""
    deadline = now_s() + _ORDER_WAIT_S
    while (order := orders.newer()) is None:
        if now_s() > deadline:
            raise LivedreamError(f"the dream process got no order within {_ORDER_WAIT_S:.0f} s")
        time.sleep(0.005)
    return order


def _dreamer(job: DreamJob, order: Order | None, status: Sender[DreamStatus]) -> Dreamer:
    """A dreamer with the network that is wanted, which begins to open what its first tick needs.

    A restarted process finds an order, and goes on with what is wanted now.
    """
    settings = job.settings if order is None else order.settings
    number, aspect = (0, None) if order is None else (order.number, order.aspect)
    network = settings.network
    weights = job.weights if network == job.settings.network else None
    message, started = loading_message(network, weights), now_s()
    status.send(DreamStatus(phase="importing", message=message, order=number))
    from livedream.dream.dreamer import Dreamer

    phase: Literal["loading", "downloading"] = (
        "downloading" if needs_download(network, weights) else "loading"
    )
    status.send(DreamStatus(phase=phase, message=message, order=number))
    dreamer = Dreamer(
        network,
        weights=weights,
        device=job.device,
        backend=job.backend,
        threads=dream_threads(),
        wait=False,
    )
    dreamer.prepare(settings, aspect)
    log.info("loaded %s in %.1f s", network, now_s() - started)
    return dreamer


class _Loop:
    """Ticks on the newest frame, follows the newest order, loads networks beside it."""

    def __init__(
        self,
        dreamer: Dreamer,
        order: Order,
        orders: Receiver[Order],
        frames: Slot,
        residuals: Slot,
        status: Sender[DreamStatus],
        job: DreamJob,
    ) -> None:
        self._order, self._orders = order, orders
        self._frames, self._residuals, self._status = frames, residuals, status
        loader = Loader(dreamer, {job.settings.network: job.weights})
        self._dream = LiveDream(dreamer, loader, limit_px=job.limit_px)
        self._told = DreamStatus(phase="dreaming", order=order.number)
        heartbeat.listen(self._beat)
        self._away = Away(frames, job.room_keys, {job.settings.network: job.weights})
        self._report, self._resting = Pacer(_REPORTS_HZ), Pacer(_RESTING_HZ)

    def run(self) -> None:
        pace = Pacer(self._order.settings.dream_rate_hz)
        frame: Value | None = None
        while True:
            heartbeat.begins("loop")
            self._order = self._orders.newer() or self._order
            pace.interval_s = 1.0 / self._order.settings.dream_rate_hz
            order = self._dream.follow(self._order)
            dreamt = self._away.step(self._order)
            wait_s = pace.wait_s(now_s())
            if self._away.dreams:
                frame = self._rest(dreamt, order, frame)
            elif wait_s > 0:
                time.sleep(min(wait_s, 0.01))
            else:
                newer = self._frames.wait(frame.seq if frame else 0, 0.0 if frame else 0.05)
                frame = newer or frame
                if frame is not None and pace.due(now_s()):
                    self._tick(frame, order)
            if self._report.due(now_s()):
                self._tell(order)

    def _tick(self, frame: Value, order: Order) -> None:
        seed = self._away.take_seed()
        if seed is not None:
            self._dream.dreamer.seed(*seed)
        residual = self._dream.tick(frame.array, order, aspect=order.aspect)
        if residual is not None:
            residual = self._away.dreamt(frame, residual, order)
            self._residuals.publish(
                residual, index=frame.index, time_s=frame.time_s, order=order.number, aspect=order.aspect
            )

    def _rest(self, dreamt: Dreamt | None, order: Order, frame: Value | None) -> Value | None:
        """Pass on what a room has dreamt, and be ready to dream; the newest frame."""
        if dreamt is not None:
            self._residuals.publish(
                dreamt.residual,
                index=dreamt.index,
                time_s=dreamt.time_s,
                order=dreamt.order,
                aspect=dreamt.aspect,
            )
        if self._resting.due(now_s()):
            frame = self._frames.read(frame.seq if frame else 0) or frame
            if frame is not None:
                self._dream.rest(frame.array, order)
        self._away.wait(_NEWS_S)
        return frame

    def _beat(self, beats: int, patience_s: float) -> None:
        """Say from within a tick that it goes on."""
        self._status.send(structs.replace(self._told, progress=beats, patience_s=patience_s))

    def _tell(self, order: Order) -> None:
        told = self._away.told(self._dream.status(order))
        self._told = structs.replace(told, progress=heartbeat.beats, patience_s=heartbeat.patience_s)
        self._status.send(self._told)
