"""Manners of a child process: it leaves Ctrl-C to its parent, and never outlives it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing.connection import wait


def settle_in(name: str, log_level: int) -> None:
    """Call first in a spawned process: sets up logging, signals, and the watch over the parent.

    When the parent dies, however it dies, this process ends at once, even in the middle of a driver call
    that hangs.
    """
    configure_logging(name, log_level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch_parent, name="parent watch", daemon=True).start()


def configure_logging(name: str, level: int) -> None:
    """Log to the standard error, each line with the process's name."""
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format=f"%(asctime)s {name}: %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
