"""What every child process does: it leaves Ctrl-C to its parent, and never outlives it."""

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

#: Signals that a person or a terminal sends to a whole group of processes: only the parent handles them.
GROUP_SIGNALS = tuple(
    number for name in ("SIGINT", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Processes started in this context ignore Ctrl-C and a closed terminal. For the main thread only."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in GROUP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def set_up_child(name: str, log_level: int) -> None:
    """Call first in a spawned process: sets up logging, signals, and the watch over its parent.

    When the parent dies, for whatever reason, this process ends immediately, even inside a driver call that
    hangs.
    """
    configure_logging(name, log_level)
    for number in GROUP_SIGNALS:
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
