"""The show's side of the audio process: what is heard now, and that it goes on listening."""

from __future__ import annotations

from collections.abc import Callable

from livedream.audio.process import AudioJob, run_audio
from livedream.curves import decay
from livedream.ipc.mailbox import StatusBoard
from livedream.ipc.protocol import AudioStatus
from livedream.ipc.slots import Slot
from livedream.ipc.supervised import Supervised
from livedream.resource import Resource
from livedream.timing import now_s

_STATUS_BYTES = 4096
_STARTING_S, _SILENT_S = 60.0, 5.0
#: After so long without a status nothing is heard any more.
_STALE_S = 0.3
#: Half-life of the pulse that an onset makes: seen on a screen of 60 Hz, and over before the next drum.
_PULSE_S = 0.06


class Listening(Resource):
    """Starts the audio process, and starts it again. ``device`` is as in ``--audio``.

    A context manager that ends it. Raises ``LivedreamError`` when the system has no process for it.
    """

    def __init__(self, device: str, log_level: int, clock: Callable[[], float] = now_s) -> None:
        self._clock = clock
        self._slot = Slot.create(_STATUS_BYTES)
        self._board = StatusBoard(self._slot, AudioStatus())
        self._onsets, self._onset_s = 0, float("-inf")
        self._said = ""
        self._child = Supervised(
            "audio",
            run_audio,
            (AudioJob(device, self._slot.name, log_level),),
            self._stalled,
            starting=self._board.restarted,
            well_s=lambda: self._board.well_s,
        )
        try:
            self._child.start(clock())
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int | None:
        """The process's number, None when it does not run."""
        return self._child.pid

    @property
    def status(self) -> AudioStatus:
        """What the process said last."""
        return self._board.status

    def hear(self, name: str) -> float:
        """``bass``, ``mid``, ``treble``, ``level`` or ``onset`` (a pulse) now: 0..1, 0.0 without sound."""
        now = self._clock()
        status = self._board.update(now)
        if status.onsets != self._onsets:
            if self._board.heard and status.onsets > self._onsets:
                self._onset_s = now
            self._onsets = status.onsets
        if name == "onset":
            return decay(_PULSE_S, now - self._onset_s)
        if not self._board.heard or self._board.silent_s(now, now) > _STALE_S:
            return 0.0
        return float(getattr(status, name))

    def check(self, now: float) -> str:
        """Look after the process, a few times a second; what is wrong since just now, or ""."""
        status = self._board.update(now)
        wrong = self._child.check(now)
        error, self._said = (status.error if status.error != self._said else ""), status.error
        return wrong or error

    def _stalled(self, now: float, started_s: float) -> str:
        silent_s = self._board.silent_s(now, started_s)
        if not self._board.heard:
            return f"did not start within {_STARTING_S:.0f} s" if silent_s > _STARTING_S else ""
        return "stopped responding" if silent_s > _SILENT_S else ""

    def close(self) -> None:
        """End the process. May be called twice."""
        self._child.close()
        self._slot.close()
