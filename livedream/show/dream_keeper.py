"""Keeps the dream process running, with less when it keeps failing, and a still dream while there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
from msgspec import structs

from livedream.dream.governor import SIZES
from livedream.dream.process import DreamJob, run_dream, without_graphics
from livedream.errors import DeviceLostError
from livedream.ipc.mailbox import StatusBoard
from livedream.ipc.protocol import DreamStatus
from livedream.ipc.slots import Slot, Value
from livedream.ipc.supervised import Supervised
from livedream.show.fallback import INSTEAD, RUNGS, Chain, Fallback, Rung
from livedream.show.faults import Faults
from livedream.show.stalled import dream_stalled
from livedream.show.still_dream import StillDream
from livedream.timing import overload

log = logging.getLogger(__name__)

#: How much the dream stands back for the show (Unix): about a third of its share of a core that both want.
_NICE = 5


class DreamKeeper:
    """The dream process and its newest residual. Times are ``now``, in seconds of one clock.

    ``died`` is called when the process died or hung, before it is restarted, and may be to blame.
    """

    def __init__(
        self, job: DreamJob, residuals: Slot, status: Slot, faults: Faults, died: Callable[[], None]
    ) -> None:
        self._job, self._residuals, self._faults, self._died = job, residuals, faults, died
        self._board = StatusBoard(status, DreamStatus())
        self._process = Supervised(
            "dream",
            run_dream,
            (job,),
            partial(dream_stalled, self._board, overload),
            starting=self._board.restarted,
            well_s=lambda: self._well_s,
        )
        self._chain = Chain([rung for rung in RUNGS if rung != "cpu" or job.device != "cpu"])
        self._still = StillDream()
        self._seq, self._now = 0, 0.0
        self._counted: Mapping[str, int] = {}
        self._ranked: int | None = None

    @property
    def status(self) -> DreamStatus:
        """What the process said last; while there is none, that it does not dream."""
        status, fallback = self._board.status, self.fallback
        dreams = self._process.pid is not None and self._board.heard
        if not dreams:
            status = structs.replace(status, dream_fps=0.0, message="")
        if fallback.rung != "full" and not status.message:
            status = structs.replace(status, message=f"{fallback.why}; {INSTEAD[fallback.rung]}")
        return status

    @property
    def fallback(self) -> Fallback:
        """What the dream has fallen back to."""
        return self._chain.now

    @property
    def pid(self) -> int | None:
        """The process's number, None when it does not run."""
        return self._process.pid

    def start(self, now: float) -> None:
        """Start the process. Raises ``LivedreamError``."""
        self._process.start(now)

    def residual(self, frame: Value | None, aspect: float | None) -> Value | None:
        """The newest residual, None when there is none since the last call, or when it is no dream.

        While there is no process, a still one for the ``frame`` of which ``aspect`` is visible.
        """
        value = self._residuals.read(self._seq)
        if value is not None:
            self._seq = value.seq
            if not np.isfinite(value.array.sum()):  # the process looks at it, too
                self._faults.add("dream NaN", self._now)
                return None
            self._still.keep(value, self._well_s)
            self._still.gone()
        elif self.fallback.rung == "still" or (self._chain.trying and self._well_s == 0):
            return self._still.residual(self._now, frame, aspect)
        return value

    def listen(self, now: float) -> None:
        """Take the newest status."""
        self._now = now
        status = self._board.update(now)
        self._counted = self._faults.counted(status.faults if self._board.heard else {}, self._counted, now)

    def check(self, now: float) -> str:
        """Restart the process if it died or hangs, in another way if it must; what went wrong, or ""."""
        well_s = self._well_s
        text = self._process.check(now)
        self._rank()
        if text:
            return self._failed(text, now, well_s)
        if self._chain.step(now, well_s):
            rung = self.fallback.rung
            log.info("trying the dream again: %s", rung)
            self._process.renew(now, (self._job_at(rung),))
        return ""

    def close(self) -> None:
        """End the process. May be called twice."""
        self._process.close()

    @property
    def _well_s(self) -> float:
        """For how long the dream has made progress."""
        board = self._board
        return board.well_s if board.heard and board.status.phase == "dreaming" else 0.0

    def _failed(self, text: str, now: float, well_s: float) -> str:
        """The process has failed, as ``text`` says, after progress for ``well_s``; what to say."""
        self.listen(now)
        if self.status.device == "cpu":
            self._chain.skip("cpu")
        if self._process.exit_code == DeviceLostError.exit_code:
            self._faults.add("graphics card lost", now)
            changed = self._chain.lost(now, self._board.status.error or "the graphics card failed")
        else:
            self._faults.add(f"dream {self._process.failure}", now)
            if not self._chain.trying:  # or the settings are not to blame
                self._died()
            changed = self._chain.died(now, self._process.failure, well_s)
        if not changed:
            return text
        fallback = self.fallback
        if fallback.rung == "still":
            self._process.stop(now)
        else:
            self._process.renew(now, (self._job_at(fallback.rung),))
        text = f"{fallback.why}; {INSTEAD[fallback.rung]}"
        log.error("%s", text)
        return text

    def _job_at(self, rung: Rung) -> DreamJob:
        """What the process is started with on a rung."""
        if rung == "full":
            return self._job
        job = without_graphics(self._job)
        return replace(job, limit_px=SIZES[0]) if rung == "smaller" else job

    def _rank(self) -> None:
        """Let the show and the camera go before the dream where they want the same core, once it dreams."""
        pid = self._process.pid
        if pid is None or pid == self._ranked or not self._seq:
            return
        self._ranked = pid
        import psutil

        lower = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", _NICE)  # a class on Windows
        with suppress(psutil.Error, OSError):  # it has just ended, or may not be ranked
            psutil.Process(pid).nice(lower)
