"""What every child process does: it leaves Ctrl-C to its parent, and never outlives it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait

from livedream.logs import configure_logging

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


def begin(work: bytes) -> None:
    """Run ``work``, a pickled target and its arguments, in a process that already ends with its parent.

    To load what they need takes a process seconds, in which it may hang, too.
    """
    _die_with_parent()
    target, arguments = pickle.loads(work)
    target(*arguments)


def set_up_child(name: str, log_level: int) -> None:
    """Call first in a spawned process: sets up logging, signals, and the watch over its parent.

    When the parent dies, for whatever reason, this process ends immediately, even inside a driver call that
    hangs, and on Linux even while it is stopped.
    """
    configure_logging(name, log_level)
    for number in GROUP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    threading.Thread(target=_watch_parent, name="parent watch", daemon=True).start()


#: Of Linux: the signal that a process gets when the thread that started it dies.
_PR_SET_PDEATHSIG = 1
_LOOK_S = 0.5


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
    elif os.name == "posix":  # a process that was not spawned: export
        number = os.getppid()
        while os.getppid() == number:
            time.sleep(_LOOK_S)
        os._exit(0)


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies; where it cannot, the thread above does."""
    # Only what the main thread started: another thread may end before its process does.
    if sys.platform == "linux" and multiprocessing.parent_process() is not None:
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
