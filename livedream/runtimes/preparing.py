"""A thread that makes things ready in the background: what was asked for, the newest first, then the rest."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

#: Of what was asked for and is not ready yet, the oldest beyond this number is forgotten.
_MOST_WAITING = 32
_POLL_S = 1.0
#: After this long without work, whatever the work needs may be shut down.
IDLE_S = 20.0

Key = TypeVar("Key", bound=Hashable)
Job = TypeVar("Job")


class Preparer(Generic[Key, Job]):
    """Runs ``work(key, job)`` for what is asked for, in a thread that starts with the first.

    ``spare()`` gives the next (key, job) when nothing is asked for, or None. ``failed(key, reason)`` is told
    of every exception that ``work`` raises, and ``idle()`` is called after a while without work.
    """

    def __init__(
        self,
        work: Callable[[Key, Job], None],
        spare: Callable[[], tuple[Key, Job] | None],
        failed: Callable[[Key, Exception], None],
        idle: Callable[[], None],
    ) -> None:
        self._work, self._spare, self._failed, self._idle = work, spare, failed, idle
        self._waiting: OrderedDict[Key, Job] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether something is being prepared, or waits for it."""
        return self._busy

    def ask(self, key: Key, job: Job) -> None:
        """Prepare this next."""
        with self._changed:
            if self._closed:
                return
            self._busy = True
            self._waiting[key] = job
            self._waiting.move_to_end(key)
            while len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="prepare gradients", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait until ``done()``, which is asked after every piece of work, or until it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or done())

    def interrupt(self) -> None:
        """Begin nothing more; what is being prepared goes on."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Begin nothing more, and wait for the end of what is being prepared. May be called twice."""
        self.interrupt()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        worked_s = time.monotonic()
        while not self._closed:
            with self._changed:
                found = self._waiting.popitem() if self._waiting else None
            if found is None and not self._closed:
                found = self._spare()
            if found is None:
                with self._changed:
                    if not self._waiting and not self._closed:
                        self._busy = False
                        self._changed.wait(_POLL_S)
                if time.monotonic() - worked_s > IDLE_S:
                    self._idle()
                    worked_s = time.monotonic()
                continue
            key, job = found
            self._busy = True
            try:
                self._work(key, job)
            except Exception as error:  # one that fails must not end the thread, and with it all others
                if not self._closed:
                    self._failed(key, error)
            worked_s = time.monotonic()
            with self._changed:
                self._changed.notify_all()
