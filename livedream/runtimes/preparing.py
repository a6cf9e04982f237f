"""A thread that prepares graphs in the background: those requested, the newest first, then spare ones."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from livedream.ipc.heartbeat import OPENING_S, heartbeat

log = logging.getLogger(__name__)

#: The most requests that wait; beyond, the oldest are forgotten.
_MOST_WAITING = 32
_POLL_S = 1.0
#: After this long without work, whatever the work needs may be shut down.
IDLE_S = 20.0

Key = TypeVar("Key", bound=Hashable)
Job = TypeVar("Job")


class Preparer(Generic[Key, Job]):
    """Runs ``work(key, job)`` for each request, in a thread that starts with the first.

    ``spare()`` returns a (key, job) to work on when there are no requests, or None. ``failed(key, error)``
    is called for every exception that ``work`` raises, ``idle()`` after a while without work.
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
        """Whether something is being prepared or waits to be."""
        return self._busy

    def request(self, key: Key, job: Job) -> None:
        """Prepare this next; a later request for the same key replaces it."""
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
        """Wait until ``done()``, which is evaluated after every job, or until it is closed."""
        heartbeat.begins("opening", OPENING_S)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or done())

    def interrupt(self) -> None:
        """Start no more jobs, without waiting for the current one."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Start no more jobs, and wait for the current one. May be called twice."""
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
            except Exception as error:  # a job that fails must not end the thread, and with it all others
                if not self._closed:
                    self._failed(key, error)
            worked_s = time.monotonic()
            with self._changed:
                self._changed.notify_all()
