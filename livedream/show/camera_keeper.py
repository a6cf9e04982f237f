"""Keeps the camera process running, and the frames coming while it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from msgspec import structs

from livedream.ipc.mailbox import StatusBoard
from livedream.ipc.protocol import SourceStatus
from livedream.ipc.slots import Slot, Value
from livedream.ipc.supervised import Supervised
from livedream.show.faults import Faults
from livedream.show.stalled import CAMERA_OPENING_S, camera_stalled
from livedream.show.stand_in import StandIn
from livedream.sources.process import SourceJob, run_source
from livedream.timing import overload

#: A camera process that has been silent for this long makes no pictures either.
_STANDS_IN_S = 2.5


class CameraKeeper:
    """The camera process and its newest frame. Times are ``now``, in seconds of one clock."""

    def __init__(self, job: SourceJob, frames: Slot, status: Slot, faults: Faults) -> None:
        self._frames, self._faults, self._job = frames, faults, job
        self._board = StatusBoard(status, SourceStatus())
        self._process = Supervised(
            "camera",
            run_source,
            (job,),
            partial(camera_stalled, self._board, overload),
            ended=lambda: bool(self._board.status.error),
            starting=self._board.restarted,
            well_s=lambda: self._board.well_s if self._board.status.phase == "running" else 0.0,
        )
        self._stand_in = StandIn(frames)
        self._seq, self._now = 0, 0.0
        self._counted: Mapping[str, int] = {}
        #: The newest frame.
        self.newest: Value | None = None

    @property
    def status(self) -> SourceStatus:
        """What the process said last; while it says nothing, what the show shows instead."""
        status = self._board.status
        if not self._stand_in.active:
            return status
        message = "the camera process has stopped; showing its last picture until it is back"
        if not self._stand_in.dissolved(self._now):
            return structs.replace(status, fps=0.0, message=message)
        message = message.replace("its last picture", "clouds")
        return structs.replace(
            status, fps=0.0, source="clouds", kind="clouds", fallback=True, lost=True, message=message
        )

    @property
    def pid(self) -> int | None:
        """The process's number, None when it does not run."""
        return self._process.pid

    def start(self, now: float) -> None:
        """Start the process. Raises ``LivedreamError``."""
        self._process.start(now)

    def change(self, spec: str, now: float) -> None:
        """Show another source from now on. One that is not there is waited for."""
        self._job = replace(self._job, spec=spec, patient=True)
        self._process.renew(now, (self._job,))

    def frame(self) -> Value | None:
        """The newest frame, None when there is none since the last call."""
        value = self._frames.read(self._seq)
        if value is not None:
            self._seq, self.newest = value.seq, value
        return value

    def listen(self, now: float) -> None:
        """Take the newest status, and make a picture where the process makes none."""
        self._now = now
        self._counted = self._faults.counted(self._board.update(now).fault_kinds, self._counted, now)
        self._stand_in.step(now, self._gone(now))

    def check(self, now: float) -> str:
        """Restart the process if it died or hangs; what went wrong just now, or ""."""
        text = self._process.check(now)
        if text:
            self._faults.add(f"camera process {self._process.failure}", now)
        return text

    def close(self) -> None:
        """End the process. May be called twice."""
        self._process.close()

    def _gone(self, now: float) -> bool:
        """Whether nobody makes pictures but the show."""
        process, board = self._process, self._board
        if board.status.error or process.started_s is None:
            return False  # it has ended, as the source could not be opened at the start
        if process.pid is None:
            return True
        silent_s = board.silent_s(now, process.started_s)
        if not board.heard:
            return process.faults > 0 or silent_s > CAMERA_OPENING_S
        opening = now - process.started_s <= CAMERA_OPENING_S
        return not opening and silent_s > _STANDS_IN_S * overload()
