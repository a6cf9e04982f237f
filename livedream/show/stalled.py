"""When the camera and the dream process count as hung: by their progress, and by the show's own clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from livedream.ipc.mailbox import StatusBoard
from livedream.ipc.protocol import DreamStatus, SourceStatus, Status

S = TypeVar("S", bound=Status)

#: Patience until a new child says anything: a slow disk, or many programs starting after the boot.
_STARTING_S = 60.0
#: The camera process reports twice a second; silent for this long, it hangs.
_CAMERA_SILENT_S = 4.25
#: The driver of a camera that has just been opened may not answer for longer.
CAMERA_OPENING_S = 10.0
#: Patience in each phase of the dream process; a download may have 500 MB and a slow line. While it dreams,
#: it says itself how long its next step may take.
_DREAM_SILENT_S = {"importing": 180.0, "loading": 180.0, "downloading": 3600.0}


def camera_stalled(
    board: StatusBoard[SourceStatus], slowness: Callable[[], float], now: float, started_s: float
) -> str:
    """Why the camera process that was started at ``started_s`` counts as hung, or "".

    On a machine that has too much to do, patience is ``slowness`` times as long.
    """
    status, opening = board.update(now), now - started_s <= CAMERA_OPENING_S
    if board.heard and status.stalled and not opening:
        return "has a driver that does not answer"
    return _silence(board, now, started_s, slowness, CAMERA_OPENING_S if opening else _CAMERA_SILENT_S)


def dream_stalled(
    board: StatusBoard[DreamStatus], slowness: Callable[[], float], now: float, started_s: float
) -> str:
    """Why the dream process that was started at ``started_s`` counts as hung, or ""; as for the camera."""
    status = board.update(now)
    patience_s = _DREAM_SILENT_S.get(status.phase, status.patience_s)
    return _silence(board, now, started_s, slowness, patience_s)


def _silence(
    board: StatusBoard[S], now: float, started_s: float, slowness: Callable[[], float], patience_s: float
) -> str:
    silent_s = board.silent_s(now, started_s)
    if not board.heard:
        late = silent_s > _STARTING_S * slowness()
        return f"did not start within {silent_s:.0f} s" if late else ""
    return "stopped responding" if silent_s > patience_s * slowness() else ""
