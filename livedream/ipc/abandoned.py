"""Frees shared memory that nobody owns any more.

Python's resource tracker frees it when a show is killed. When the tracker is killed with the show, as systemd
does it with a hanging service, the memory would stay until the machine is restarted. So each owner holds a
lock on its memory, which the system releases with the owner; what begins with the same letters and is not
held is free. Linux only: elsewhere shared memory is no file.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

_FOLDER = Path("/dev/shm")
#: What was written to so lately may just not be locked yet.
_YOUNG_S = 1.0


def hold(name: str) -> int | None:
    """Own the shared memory of this name until this process ends: an open file, or None where it is none."""
    if sys.platform != "linux":
        return None
    import fcntl

    with suppress(OSError):
        file = os.open(_FOLDER / name, os.O_RDONLY)
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return file
    return None


def free_abandoned(prefix: str) -> list[str]:
    """Free shared memory whose name begins with ``prefix`` and whose owner is gone; the names."""
    if sys.platform != "linux":
        return []
    import fcntl

    freed = []
    for path in _FOLDER.glob(f"{prefix}*"):
        with suppress(OSError):  # another user's, or just gone
            if time.time() - path.stat().st_ctime < _YOUNG_S:
                continue
            file = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                freed.append(path.name)
            finally:
                os.close(file)
    return freed
