"""The two other processes of the mirror, and the slots that join them to the show."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from functools import partial
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any

from livedream.dream.process import DreamJob, run_dream
from livedream.errors import OutputError
from livedream.frame import LARGEST_SIDE_PX
from livedream.ipc.child import endings_ignored
from livedream.ipc.slots import Slot
from livedream.ipc.supervised import Supervised
from livedream.settings import Settings
from livedream.show.options import MirrorOptions
from livedream.show.shared_memory import frame_capacity
from livedream.sources.process import run_source
from livedream.timing import now_s

log = logging.getLogger(__name__)

#: Loading torch takes a core for two seconds: the camera and the window go first, at most for so long.
_HEAD_START_S = 1.5
#: A child that has not said anything yet: a slow disk, or all programs starting at once after the boot.
_STARTING_S = 60.0
#: The camera process beats twice a second; this long without a beat, it hangs as a whole.
_CAMERA_SILENT_S = 10.0
#: The slowest tick that is still work: 20 steps at 1280 pixels on one slow core.
_DREAM_SILENT_S = 60.0
#: Loading may include a download of 100 MB by a slow line.
_LOADING_S = 900.0
_RESIDUAL_BYTES = LARGEST_SIDE_PX**2 * 3 * 4  # float32
_STATUS_BYTES = 1 << 16


class Status:
    """The newest status that a process has published, as a dictionary."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._seq = 0
        self._values: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        newer = self._slot.read_json(self._seq)
        if newer is not None:
            self._seq, self._values = newer
        return self._values

    def since(self, started_s: float) -> dict[str, Any]:
        """The newest status that the process started at ``started_s`` wrote; empty before its first one.

        The slot also keeps the last words of the process before, which was dead by then.
        """
        values = self()
        return values if float(values.get("time_s", 0.0)) >= started_s else {}


def camera_stalled(status: Status, now: float, started_s: float) -> str:
    """Why the camera process that was started at ``started_s`` must be taken for dead, or ""."""
    own = status.since(started_s)
    if own.get("stalled") and now - started_s > _CAMERA_SILENT_S:
        return "does not answer"
    return _silence(own, now, started_s, _CAMERA_SILENT_S)


def dream_stalled(status: Status, now: float, started_s: float) -> str:
    """Why the dream process that was started at ``started_s`` must be taken for dead, or ""."""
    own = status.since(started_s)
    return _silence(own, now, started_s, _DREAM_SILENT_S if own.get("state") == "ready" else _LOADING_S)


def _silence(own: dict[str, Any], now: float, started_s: float, patience_s: float) -> str:
    if not own:
        return f"has not started in {_STARTING_S:.0f} s" if now - started_s > _STARTING_S else ""
    return "is silent" if now - own["time_s"] > patience_s else ""


class Processes:
    """Starts the camera and the dream process; a context manager that ends them, and leaves none behind.

    Raises ``LivedreamError`` when the system has no shared memory or no process for them.
    """

    def __init__(self, options: MirrorOptions, settings: Settings) -> None:
        self._stack = ExitStack()
        try:
            self._start(options, settings)
        except BaseException:
            self.close()
            raise

    def _start(self, options: MirrorOptions, settings: Settings) -> None:
        _ensure_tracker()
        others = [_RESIDUAL_BYTES, _STATUS_BYTES, _STATUS_BYTES, _STATUS_BYTES]
        capacity_bytes, self._warning = frame_capacity(others)
        if self._warning:
            log.warning("%s", self._warning)
        slots = [self._stack.enter_context(Slot.create(n)) for n in (capacity_bytes, *others)]
        self.frames, self.residuals, self.orders, camera, dream = slots
        self.camera_status, self.dream_status = Status(camera), Status(dream)
        job = DreamJob(
            frames=self.frames.name,
            orders=self.orders.name,
            residuals=self.residuals.name,
            status=dream.name,
            network=settings.network,
            weights=None if options.weights is None else str(options.weights),
            device=options.device,
            backend=options.backend,
            log_level=options.log_level,
        )
        source = (options.source, self.frames.name, camera.name, options.log_level)
        stalled = partial(camera_stalled, self.camera_status)
        self._camera = Supervised("camera", run_source, source, stalled, self._source_failed)
        self._dream = Supervised("dream", run_dream, (job,), partial(dream_stalled, self.dream_status))
        self._processes = (self._camera, self._dream)
        for worker in self._processes:
            self._stack.callback(worker.close)
        self._dream_due_s = now_s() + _HEAD_START_S
        self._camera.start(now_s())

    @property
    def faults(self) -> int:
        """How often a process had to be started again, and a camera was lost."""
        return sum(worker.faults for worker in self._processes) + int(self.camera_status().get("faults", 0))

    def pids(self) -> list[int]:
        """The running processes."""
        return [worker.pid for worker in self._processes if worker.pid is not None]

    def check(self, now: float) -> list[str]:
        """Start the dream when it is due, restart what died or hangs; what went wrong just now."""
        if not self._dream.started and (self.frames.seq or now >= self._dream_due_s):
            self._dream.start(now)
        warning, self._warning = self._warning, ""
        faults = [worker.check(now) for worker in self._processes]
        return [text for text in (warning, *faults) if text]

    def _source_failed(self) -> bool:
        """A source that could not be opened at the start has told why, which ends the show."""
        return bool(self.camera_status().get("error"))

    def close(self) -> None:
        """End the processes and free the shared memory. May be called twice."""
        self._stack.close()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ensure_tracker() -> None:
    """Start Python's own process that frees the memory of a show that was killed. Raises ``OutputError``."""
    if os.name != "posix":
        return
    try:
        with endings_ignored():
            resource_tracker.ensure_running()
    except (OSError, MemoryError) as error:
        raise OutputError(
            f"no process to look after the shared memory: {error}; possible: allow more open files"
            " (ulimit -n), processes (ulimit -u) or memory (ulimit -v)"
        ) from error
