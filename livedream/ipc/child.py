"""Manners of a child process: Ctrl-C and a closed terminal are its parent's, and it never outlives it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait

#: What a person or a terminal sends to a whole group of processes: the show answers it for all.
ENDINGS = tuple(
    number for name in ("SIGINT", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


@contextmanager
def endings_ignored() -> Iterator[None]:
    """What is started in here is born deaf to Ctrl-C and a closed terminal. For the main thread only."""
    heard = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def settle_in(name: str, log_level: int) -> None:
    """Call first in a spawned process: sets up logging, signals, and the watch over the parent.

    When the parent dies, however it dies, this process ends at once, even in the middle of a driver call
    that hangs.
    """
    configure_logging(name, log_level)
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch_parent, name="parent watch", daemon=True).start()


def configure_logging(name: str, level: int) -> None:
    """Log to the standard error, each line with date, time and the process's name."""
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format=f"%(asctime)s {name}: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        force=True,
    )


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
