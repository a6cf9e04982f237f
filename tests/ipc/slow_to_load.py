"""Stops the child process that loads it, as a driver that hangs would."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

if multiprocessing.parent_process() is not None:
    Path(os.environ["SLOW_TO_LOAD"]).touch()
    os.kill(os.getpid(), signal.SIGSTOP)


def never() -> None:
    """Is not reached."""
