"""Ends what is left of a group of processes after its leader has died."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

#: The members end by themselves: the camera and the dream die with the show, and Python's resource tracker
#: frees the shared memory after them. Whoever is left then is told, and killed in the end.
_BY_THEMSELVES_S, _TERMINATED_S, _KILLED_S = 0.7, 0.5, 0.5
_POLL_S = 0.05


def end_group(leader: int) -> None:
    """End all processes of the group that process number ``leader`` led. Within about a second; POSIX only.

    The leader must have been waited for: its number then stands for the group alone.
    """
    if os.name != "posix":
        return
    for number, patience_s in (
        (0, _BY_THEMSELVES_S),
        (signal.SIGTERM, _TERMINATED_S),
        (signal.SIGKILL, _KILLED_S),
    ):
        if number:
            with suppress(OSError):
                os.killpg(leader, number)
                os.killpg(leader, signal.SIGCONT)  # one that was stopped hears nothing
        until_s = time.monotonic() + patience_s
        while _alive(leader):
            if time.monotonic() >= until_s:
                break
            time.sleep(_POLL_S)
        else:
            return


def _alive(leader: int) -> bool:
    """Whether a process of the group is left. The dead ones that init has not taken away yet don't count."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    if sys.platform != "linux":
        return True
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just gone
            state, _, group = path.read_text().rpartition(") ")[2].split()[:3]
            if int(group) == leader and state not in "ZX":
                return True
    return False
