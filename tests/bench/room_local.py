"""The same fake mirrors without a room: a dream process for each, as every mirror on a machine has one."""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from livedream.dream.process import DreamJob, run_dream
from livedream.ipc.mailbox import MESSAGE_BYTES, Receiver, Sender
from livedream.ipc.protocol import DreamStatus, Order
from livedream.ipc.slots import Slot
from livedream.resource import Resource
from tests.bench.room_figures import Answer, Found, Told
from tests.bench.room_mirrors import Camera, FakeMirror, frames

_BEATS_HZ = 250.0
_PATIENCE_S = 60.0
_ENDED_S = 5.0


class LocalMirror(Resource):
    """A simulated camera, a real dream process, and a show that only takes what was dreamt.

    The camera's frames already have the working size, so that no time goes into scaling them.
    """

    def __init__(self, mirror: FakeMirror) -> None:
        self._mirror = mirror
        self.camera = Camera(frames(mirror.source), mirror.camera_hz, "raw")
        self.found = Found(name=mirror.name, layer=mirror.layer, camera_hz=mirror.camera_hz)
        self.measured = False
        self._number, self._seq = -1, 0
        self._stack = ExitStack()
        largest = self.camera.image(0, mirror.working_px)
        sizes = (largest.nbytes, MESSAGE_BYTES, largest.nbytes * 4, MESSAGE_BYTES)
        slots = [self._stack.enter_context(Slot.create(size)) for size in sizes]
        self._frames, orders, self._residuals, status = slots
        settings = mirror.settings
        Sender[Order](orders).send(Order(number=1, settings=settings, camera_hz=mirror.camera_hz))
        self._status: Receiver[DreamStatus] = Receiver(status, DreamStatus)
        job = DreamJob(
            frames=self._frames.name,
            orders=orders.name,
            residuals=self._residuals.name,
            status=status.name,
            settings=settings,
            weights=None,
            device="cpu",
            backend="auto",
            log_level=logging.WARNING,
        )
        self._process = multiprocessing.get_context("spawn").Process(
            target=run_dream, args=(job,), daemon=True
        )
        self._process.start()

    @property
    def dreams(self) -> bool:
        """Whether there has been a residual. Raises ``RuntimeError`` when the process has ended."""
        if not self._process.is_alive():
            raise RuntimeError(f"the dream process of {self.found.name} ended")
        return self._seq > 0

    def step(self, now: float) -> None:
        """Capture a frame if one is due, and take what there is."""
        number = self.camera.newest(now)
        if number > self._number:
            self._number = number
            image = self.camera.image(number, self._mirror.working_px)
            self._frames.publish(np.asarray(image), index=number, time_s=self.camera.time_s(number))
        value = self._residuals.read(self._seq)
        if value is not None:
            newly = value.index
            self._seq = value.seq
            if self.measured and (not self.found.answers or newly != self._last):
                age_s = now - value.time_s
                self.found.answers.append(Answer(now, age_s, age_s, 0.0, 0.0))
            self._last = newly
        status = self._status.newer()
        if status is not None and self.measured:
            self.found.told.append(Told(now, status.ticks, max(status.working_size)))

    _last = -1

    def close(self) -> None:
        self._process.terminate()
        self._process.join(_ENDED_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._stack.close()


def dream_locally(mirrors: Sequence[FakeMirror], seconds: float, settle_s: float) -> list[Found]:
    """What each found. Raises ``RuntimeError`` when one has no dream."""
    with ExitStack() as stack:
        local = [stack.enter_context(LocalMirror(mirror)) for mirror in mirrors]

        def until(end_s: float, every: bool = False) -> None:
            while (now := time.monotonic()) < end_s and not (every and all(one.dreams for one in local)):
                for one in local:
                    one.step(now)
                time.sleep(1 / _BEATS_HZ)

        until(time.monotonic() + _PATIENCE_S, every=True)
        until(time.monotonic() + settle_s)
        for one in local:
            one.measured, one.found.began_s = True, time.monotonic()
        until(time.monotonic() + seconds)
        for one in local:
            one.found.ended_s = time.monotonic()
        return [one.found for one in local]
