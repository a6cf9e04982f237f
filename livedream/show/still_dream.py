"""A dream that stands still, laid over the camera while no process can dream: what was last dreamt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from livedream.ipc.slots import Value

#: A dream that has gone on for this long is worth keeping: it has taken shape.
_SHAPED_S = 3.0
#: It comes slowly, while what the process left dissolves.
_COMES_S = 3.0


class StillDream:
    """Keeps the last good residual. Times are ``now``, in seconds of one clock."""

    def __init__(self) -> None:
        self._kept: Value | None = None
        self._shaped = False
        self._since_s: float | None = None
        self._frame_seq = self._given = 0

    def keep(self, residual: Value, well_s: float) -> None:
        """Keep a residual of a dream that has gone on for ``well_s``, unless a better one is kept."""
        shaped = well_s >= _SHAPED_S
        if shaped or not self._shaped:
            self._kept, self._shaped = residual, shaped

    def gone(self) -> None:
        """There is a dream again."""
        self._since_s = None

    def residual(self, now: float, frame: Value | None, aspect: float | None) -> Value | None:
        """The residual for a ``frame`` of which ``aspect`` is visible; None when it was given, or is none."""
        kept = self._kept
        if kept is None or frame is None or frame.seq == self._frame_seq:
            return None
        if self._since_s is None:
            self._since_s = now
        self._frame_seq = frame.seq
        self._given += 1
        share = min(1.0, (now - self._since_s) / _COMES_S)
        array = kept.array if share == 1 else kept.array * np.float32(share)
        # A number that no residual of a process has, on this very frame: nothing moves it.
        return replace(
            kept, seq=-self._given, array=array, index=frame.index, time_s=frame.time_s, aspect=aspect
        )
