"""Reads a source that may hang, without hanging along with it: on a thread, reconnecting for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from livedream.errors import LivedreamError
from livedream.frame import Frame
from livedream.sources.source import AbsentError, Clock, Source

log = logging.getLogger(__name__)

#: Delays before a failed source is opened again: the first is short enough to reconnect before a
#: :class:`~livedream.sources.watch.Watch` gives up; they double up to the longest. To look whether a device
#: is there costs nothing, so that is done at the first interval.
RETRY_S, LONGEST_RETRY_S = 0.5, 2.0
#: A run of this length was healthy: delays start over.
_HEALTHY_S = 5.0


class Backoff:
    """Delays between attempts: they double with each failure, and start over after a run that lasted."""

    def __init__(self, first_s: float = RETRY_S, longest_s: float = LONGEST_RETRY_S) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def delay_s(self, ran_s: float) -> float:
        """The delay after an attempt that delivered frames for ``ran_s`` seconds (0 if it failed to open)."""
        delay_s = self._first_s if ran_s >= _HEALTHY_S else self._next_s
        self._next_s = min(self._longest_s, 2 * delay_s)
        return delay_s


class Reader:
    """Opens and reads a source on a daemon thread, and opens it again whenever it fails or ends.

    ``frame`` is the newest frame; ``opened`` the source last opened, or None; ``error`` why there are no
    frames at the moment, or None, and ``absent`` whether that is because its device is not there;
    ``opening`` whether it is being opened; ``failures`` counts the failures since the last frame.
    """

    def __init__(
        self,
        open_: Callable[[], Source],
        *,
        retry_s: float = RETRY_S,
        clock: Clock = time.monotonic,
    ) -> None:
        self._open, self._clock = open_, clock
        self._retry_s, self._backoff = retry_s, Backoff(retry_s)
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._reopen = False
        self._busy_since_s: float | None = None
        self._running_since_s: float | None = None
        self._count = 0
        self._logged = ""
        self.frame: Frame | None = None
        self.opened: Source | None = None
        self.error: str | None = None
        self.absent = False
        self.opening = False
        self.failures = 0

    def start(self) -> Reader:
        """Start the thread; returns itself."""
        threading.Thread(target=self._run, name="source", daemon=True).start()
        return self

    def stop(self) -> None:
        """Ask the thread to end. It does so when the source next responds, which may be never."""
        self._stop.set()

    def reopen(self) -> None:
        """Close and open the source when it next responds: it delivers frames, but frozen ones."""
        self._reopen = True

    def busy_s(self, now: float) -> float:
        """For how long the source has not responded to the current request to open or read."""
        since = self._busy_since_s
        return 0.0 if since is None else now - since

    def wait(self, seen: int, timeout_s: float) -> int:
        """Wait for an event (a frame or a failure) after event number ``seen``, at most ``timeout_s``.

        Returns the number of the latest event, to pass in the next call.
        """
        with self._news:
            self._news.wait_for(lambda: self._count != seen, timeout_s)
            return self._count

    def _run(self) -> None:
        while not self._stop.is_set():
            self._running_since_s = None
            self.opening = True
            try:
                self._read_until_failure()
            except AbsentError as error:
                self._failed(str(error), absent=True)
            except LivedreamError as error:
                self._failed(str(error))
            except Exception as error:  # a driver's surprise must not end the only thread that can recover
                why = f"{type(error).__name__}: {error}"
                if why != self._logged:  # not at every retry
                    self._logged = why
                    log.exception("unexpected error in the source; retrying")
                self._failed(why)
            since = self._running_since_s
            ran_s = 0.0 if since is None else self._clock() - since
            self._stop.wait(self._retry_s if self.absent else self._backoff.delay_s(ran_s))

    def _read_until_failure(self) -> None:
        self._reopen = False
        self._busy_since_s = self._clock()
        with self._open() as source:
            self.opened, self.opening = source, False
            while not (self._stop.is_set() or self._reopen):
                self._busy_since_s = self._clock()
                frame = next(source, None)
                if frame is None:
                    break
                if self._running_since_s is None:
                    self._running_since_s = self._clock()
                if self.failures > 1:
                    log.info("%s is back after %d failed attempts", source.name, self.failures)
                with self._news:
                    self.frame, self.error, self.failures, self._logged = frame, None, 0, ""
                    self.absent = False
                    self._count += 1
                    self._news.notify_all()
        self._failed("the image is frozen" if self._reopen else "the source has ended")

    def _failed(self, why: str, *, absent: bool = False) -> None:
        self._busy_since_s = None
        with self._news:
            self.error, self.absent = why, absent
            self.failures += 1
            self._count += 1
            self._news.notify_all()
