"""Ends what is left of a group of processes after its leader has died."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

#: The members end by themselves: the camera and the dream die with the show, and Python's resource tracker
#: frees the shared memory after them. Whoever is left then is told, and killed in the end.
_BY_THEMSELVES_S, _TERMINATED_S = 0.7, 0.5
_POLL_S = 0.02


def end_group(leader: int) -> None:
    """End all processes of the group that process number ``leader`` led. Within about a second; POSIX only.

    The leader must have been waited for: its number then stands for the group alone.
    """
    if os.name != "posix":
        return
    for number, patience_s in ((0, _BY_THEMSELVES_S), (signal.SIGTERM, _TERMINATED_S), (signal.SIGKILL, 0.0)):
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
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
