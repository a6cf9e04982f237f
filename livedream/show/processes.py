"""The other two processes of the mirror, and the slots that join them to the show."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from livedream.dream.process import DreamJob
from livedream.errors import OutputError
from livedream.frame import LARGEST_SIDE_PX
from livedream.ipc.abandoned import free_abandoned
from livedream.ipc.child import signals_ignored
from livedream.ipc.mailbox import MESSAGE_BYTES, Sender
from livedream.ipc.protocol import AudioStatus, DreamStatus, Order, SourceStatus
from livedream.ipc.slots import NAME, Slot, Value
from livedream.resource import Resource
from livedream.settings import Settings
from livedream.show.camera_keeper import CameraKeeper
from livedream.show.dream_keeper import DreamKeeper
from livedream.show.fallback import Fallback
from livedream.show.faults import Fault, Faults
from livedream.show.options import MirrorOptions
from livedream.show.shared_memory import frame_capacity
from livedream.sources.process import SourceJob
from livedream.sources.spec import parse_spec
from livedream.timing import now_s

if TYPE_CHECKING:
    from livedream.audio.listening import Listening

log = logging.getLogger(__name__)

_RESIDUAL_BYTES = LARGEST_SIDE_PX**2 * 3 * 4  # float32


class Processes(Resource):
    """Starts the camera and the dream process; a context manager that ends them and leaves none behind.

    ``died`` is called when the dream process died or hung, before it is restarted. Raises ``LivedreamError``
    when the system has no shared memory or no process for them.
    """

    def __init__(self, options: MirrorOptions, settings: Settings, died: Callable[[], None]) -> None:
        self._stack = ExitStack()
        try:
            self._start(options, settings, died)
        except BaseException:
            self.close()
            raise

    def _start(self, options: MirrorOptions, settings: Settings, died: Callable[[], None]) -> None:
        _ensure_tracker()
        if freed := free_abandoned(NAME):
            log.info("freed %d pieces of shared memory that a killed mirror had left", len(freed))
        others = [_RESIDUAL_BYTES, MESSAGE_BYTES, MESSAGE_BYTES, MESSAGE_BYTES]
        capacity_bytes, self._warning = frame_capacity(others)
        if self._warning:
            log.warning("%s", self._warning)
        slots = [self._stack.enter_context(Slot.create(n)) for n in (capacity_bytes, *others)]
        frames, residuals, orders, camera, dream = slots
        self._orders: Sender[Order] = Sender(orders)
        self._aspect: float | None = None
        self._faults = Faults()
        source_job = SourceJob(
            spec=options.source,
            frames=frames.name,
            status=camera.name,
            log_level=options.log_level,
            patient=options.patient,
            lock_s=options.camera_lock_s,
            controls=options.camera_set,
        )
        dream_job = DreamJob(
            frames=frames.name,
            orders=orders.name,
            residuals=residuals.name,
            status=dream.name,
            settings=settings,
            weights=None if options.weights is None else str(options.weights),
            device=options.device,
            backend=options.backend,
            log_level=options.log_level,
            room_keys=options.room_keys,
        )
        self._camera = CameraKeeper(source_job, frames, camera, self._faults)
        self._dream = DreamKeeper(dream_job, residuals, dream, self._faults, died)
        for keeper in (self._dream, self._camera):  # the dream takes the longest
            self._stack.callback(keeper.close)
            keeper.start(now_s())
        self._ears: Listening | None = None
        if options.controls.audio:
            from livedream.audio.listening import Listening  # with its analysis, only for who listens

            self._ears = self._stack.enter_context(Listening(options.controls.audio, options.log_level))

    @property
    def source(self) -> SourceStatus:
        """What the camera process said last; while it says nothing, what the show shows instead."""
        return self._camera.status

    @property
    def dream(self) -> DreamStatus:
        """What the dream process said last; while there is none, that it does not dream."""
        return self._dream.status

    @property
    def faults(self) -> int:
        """How many faults there have been."""
        return self._faults.count

    @property
    def fault_list(self) -> list[Fault]:
        """What has failed, by kind, the last first."""
        return self._faults.as_list()

    @property
    def fallback(self) -> Fallback:
        """What the dream has fallen back to."""
        return self._dream.fallback

    def pids(self) -> dict[str, int]:
        """The running processes by name."""
        found = {"camera": self._camera.pid, "dream": self._dream.pid}
        found |= {"audio": self._ears.pid} if self._ears else {}
        return {name: pid for name, pid in found.items() if pid is not None}

    @property
    def audio(self) -> AudioStatus | None:
        """What the audio process said last, None where nobody listens."""
        return self._ears.status if self._ears else None

    def hear(self, name: str) -> float:
        """How loud a band is now: see :meth:`livedream.audio.listening.Listening.hear`; 0.0 without ears."""
        return self._ears.hear(name) if self._ears else 0.0

    def order(self, order: Order) -> None:
        """Give the dream process its newest order."""
        self._aspect = order.aspect
        self._orders.send(order)

    def change_source(self, spec: str, now: float) -> None:
        """Show another source. Raises ``SourceError`` for a file that is missing."""
        parse_spec(spec)
        self._camera.change(spec, now)

    def frame(self) -> Value | None:
        """The newest frame, None when there is none since the last call."""
        return self._camera.frame()

    def residual(self) -> Value | None:
        """The newest residual, None when there is none since the last call."""
        return self._dream.residual(self._camera.newest, self._aspect)

    def listen(self, now: float) -> None:
        """Take the newest statuses, and make a picture where the camera process makes none."""
        self._camera.listen(now)
        self._dream.listen(now)

    def check(self, now: float) -> list[str]:
        """Restart what died or hangs; what went wrong just now."""
        warning, self._warning = self._warning, ""
        audio = self._ears.check(now) if self._ears else ""
        return [t for t in (warning, self._camera.check(now), self._dream.check(now), audio) if t]

    def close(self) -> None:
        """End the processes and free the shared memory. May be called twice."""
        self._stack.close()


def _ensure_tracker() -> None:
    """Start Python's own process that frees the memory of a killed show. Raises ``OutputError``."""
    if os.name != "posix":
        return
    try:
        with signals_ignored():
            resource_tracker.ensure_running()
    except (OSError, MemoryError) as error:
        raise OutputError(
            f"no process to look after the shared memory: {error}; possible: allow more open files"
            " (ulimit -n), processes (ulimit -u) or memory (ulimit -v)"
        ) from error
