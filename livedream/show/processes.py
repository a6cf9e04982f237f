"""The other two processes of the mirror, and the slots that join them to the show."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from multiprocessing import resource_tracker
from typing import TypeVar

from livedream.dream.process import DreamJob, run_dream, without_graphics
from livedream.errors import DeviceLostError, OutputError
from livedream.frame import LARGEST_SIDE_PX
from livedream.ipc.abandoned import free_abandoned
from livedream.ipc.child import signals_ignored
from livedream.ipc.mailbox import MESSAGE_BYTES, Sender, StatusBoard
from livedream.ipc.protocol import DreamStatus, Order, SourceStatus, Status
from livedream.ipc.slots import NAME, Slot, Value
from livedream.ipc.supervised import Supervised
from livedream.resource import Resource
from livedream.settings import Settings
from livedream.show.options import MirrorOptions
from livedream.show.shared_memory import frame_capacity
from livedream.sources.process import SourceJob, run_source
from livedream.timing import now_s

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Status)

#: Patience until a new child says anything: a slow disk, or many programs starting after the boot.
_STARTING_S = 60.0
#: The camera process reports twice a second; silent for this long, it hangs.
_CAMERA_SILENT_S = 4.25
#: The driver of a camera that has just been opened may not answer for longer.
_CAMERA_OPENING_S = 10.0
#: Patience in each phase of the dream process; a download may have 500 MB and a slow line. While it dreams,
#: it says itself how long its next step may take.
_DREAM_SILENT_S = {"importing": 180.0, "loading": 180.0, "downloading": 3600.0}
#: How much the dream stands back for the show (Unix): about a third of its share of a core that both want.
_DREAM_NICE = 5
_RESIDUAL_BYTES = LARGEST_SIDE_PX**2 * 3 * 4  # float32


def camera_stalled(board: StatusBoard[SourceStatus], now: float, started_s: float) -> str:
    """Why the camera process that was started at ``started_s`` counts as hung, or ""."""
    status = board.update(now)
    if board.heard and status.stalled and now - started_s > _CAMERA_OPENING_S:
        return "has a driver that does not answer"
    return _silence(board, now, started_s, {"": _CAMERA_SILENT_S})


def dream_stalled(board: StatusBoard[DreamStatus], now: float, started_s: float) -> str:
    """Why the dream process that was started at ``started_s`` counts as hung, or ""."""
    status = board.update(now)
    return _silence(board, now, started_s, _DREAM_SILENT_S | {"dreaming": status.patience_s})


def _silence(board: StatusBoard[S], now: float, started_s: float, patience_s: Mapping[str, float]) -> str:
    silent_s = board.silent_s(now, started_s)
    if not board.heard:
        return f"did not start within {_STARTING_S:.0f} s" if silent_s > _STARTING_S else ""
    longest_s = patience_s.get(board.status.phase, patience_s.get("", _STARTING_S))
    return "stopped responding" if silent_s > longest_s else ""


class Processes(Resource):
    """Starts the camera and the dream process; a context manager that ends them and leaves none behind.

    ``died`` is called when the dream process died or hung, before it is restarted. Raises ``LivedreamError``
    when the system has no shared memory or no process for them.
    """

    def __init__(self, options: MirrorOptions, settings: Settings, died: Callable[[], None]) -> None:
        self._died = died
        self._stack = ExitStack()
        try:
            self._start(options, settings)
        except BaseException:
            self.close()
            raise

    def _start(self, options: MirrorOptions, settings: Settings) -> None:
        _ensure_tracker()
        if freed := free_abandoned(NAME):
            log.info("freed %d pieces of shared memory that a killed mirror had left", len(freed))
        others = [_RESIDUAL_BYTES, MESSAGE_BYTES, MESSAGE_BYTES, MESSAGE_BYTES]
        capacity_bytes, self._warning = frame_capacity(others)
        if self._warning:
            log.warning("%s", self._warning)
        slots = [self._stack.enter_context(Slot.create(n)) for n in (capacity_bytes, *others)]
        self._frames, self._residuals, orders, camera, dream = slots
        self._frame_seq = self._residual_seq = 0
        self._orders: Sender[Order] = Sender(orders)
        self._source_board = StatusBoard(camera, SourceStatus())
        self._dream_board = StatusBoard(dream, DreamStatus())
        self._job = DreamJob(
            frames=self._frames.name,
            orders=orders.name,
            residuals=self._residuals.name,
            status=dream.name,
            settings=settings,
            weights=None if options.weights is None else str(options.weights),
            device=options.device,
            backend=options.backend,
            log_level=options.log_level,
        )
        self._camera = Supervised(
            "camera",
            run_source,
            (
                SourceJob(
                    spec=options.source,
                    frames=self._frames.name,
                    status=camera.name,
                    log_level=options.log_level,
                    patient=options.patient,
                    lock_s=options.camera_lock_s,
                    controls=options.camera_set,
                ),
            ),
            partial(camera_stalled, self._source_board),
            ended=lambda: bool(self.source.error),
            starting=self._source_board.restarted,
            well_s=lambda: self._source_board.well_s if self.source.phase == "running" else 0.0,
        )
        self._dream = Supervised(
            "dream",
            run_dream,
            (self._job,),
            partial(dream_stalled, self._dream_board),
            starting=self._dream_board.restarted,
            well_s=lambda: self._dream_board.well_s if self.dream.phase == "dreaming" else 0.0,
        )
        for child in (self._camera, self._dream):
            self._stack.callback(child.close)
        self._ranked: int | None = None
        self._dream.start(now_s())  # it takes the longest
        self._camera.start(now_s())

    @property
    def source(self) -> SourceStatus:
        """What the camera process said last."""
        return self._source_board.status

    @property
    def dream(self) -> DreamStatus:
        """What the dream process said last."""
        return self._dream_board.status

    @property
    def faults(self) -> int:
        """How often a process had to be restarted, and a camera was lost."""
        return self._camera.faults + self._dream.faults + self.source.faults

    def pids(self) -> dict[str, int]:
        """The running processes by name."""
        return {c.name: c.pid for c in (self._camera, self._dream) if c.pid is not None}

    def order(self, order: Order) -> None:
        """Give the dream process its newest order."""
        self._orders.send(order)

    def frame(self) -> Value | None:
        """The newest frame, None when there is none since the last call."""
        value = self._frames.read(self._frame_seq)
        self._frame_seq = value.seq if value else self._frame_seq
        return value

    def residual(self) -> Value | None:
        """The newest residual, None when there is none since the last call."""
        value = self._residuals.read(self._residual_seq)
        self._residual_seq = value.seq if value else self._residual_seq
        return value

    def listen(self, now: float) -> None:
        """Take the newest statuses."""
        self._source_board.update(now)
        self._dream_board.update(now)

    def check(self, now: float) -> list[str]:
        """Restart what died or hangs; what went wrong just now."""
        warning, self._warning = self._warning, ""
        camera, dream = self._camera.check(now), self._dream.check(now)
        self._rank()
        if dream and self._dream.exit_code == DeviceLostError.exit_code:
            self._dream_board.update(now)
            self._job = without_graphics(self._job, self.dream.error or "the graphics card failed")
            self._dream.args = (self._job,)
            dream = self._job.note
        elif dream:
            self._died()
        return [text for text in (warning, camera, dream) if text]

    def _rank(self) -> None:
        """Let the show and the camera go before the dream where they want the same core, once it dreams."""
        pid = self._dream.pid
        if pid is None or pid == self._ranked or not self._residual_seq:
            return
        self._ranked = pid
        import psutil

        lower = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", _DREAM_NICE)  # a class on Windows
        with suppress(psutil.Error, OSError):  # it has just ended, or may not be ranked
            psutil.Process(pid).nice(lower)

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
