"""Reads a source that may hang, without hanging along with it.

A :class:`Reader` opens and reads a source on its own thread, reconnects forever and keeps the newest frame.
A :class:`Watch` decides by the clock alone whether that source is still alive.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable

from livedream.errors import LivedreamError
from livedream.frame import Frame, Image
from livedream.sources.source import Clock, Source

log = logging.getLogger(__name__)

#: Delays before a failed source is opened again: the first is short enough to reconnect before a
#: :class:`Watch` gives up; they double up to the longest.
RETRY_S, LONGEST_RETRY_S = 0.5, 5.0
#: How long the frames of each kind of source may be identical. A camera's noise changes every frame, so a
#: repeated frame is a frozen driver; a stream may compress a still scene to identical frames for a while.
STILL_S = {"camera": 5.0, "stream": 30.0}


class Backoff:
    """Delays between attempts: they double with each failure, and start over after a run that lasted."""

    def __init__(self, first_s: float = RETRY_S, longest_s: float = LONGEST_RETRY_S) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._next_s = first_s

    def delay_s(self, ran_s: float) -> float:
        """The delay after an attempt that delivered frames for ``ran_s`` seconds (0 if it failed to open)."""
        delay_s = self._first_s if ran_s >= self._longest_s else self._next_s
        self._next_s = min(self._longest_s, 2 * delay_s)
        return delay_s


class Reader:
    """Opens and reads a source on a daemon thread, and opens it again whenever it fails or ends.

    ``frame`` is the newest frame; ``opened`` the source last opened, or None; ``error`` why there are no
    frames at the moment, or None; ``failures`` counts the failures since the last frame.
    """

    def __init__(
        self,
        open_: Callable[[], Source],
        *,
        retry_s: float = RETRY_S,
        clock: Clock = time.monotonic,
    ) -> None:
        self._open, self._clock = open_, clock
        self._backoff = Backoff(retry_s)
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
            try:
                self._read_until_failure()
            except LivedreamError as error:
                self._failed(str(error))
            except Exception as error:  # a driver's surprise must not end the only thread that can recover
                why = f"{type(error).__name__}: {error}"
                if why != self._logged:  # not at every retry
                    self._logged = why
                    log.exception("unexpected error in the source; retrying")
                self._failed(why)
            since = self._running_since_s
            self._stop.wait(self._backoff.delay_s(0.0 if since is None else self._clock() - since))

    def _read_until_failure(self) -> None:
        self._reopen = False
        self._busy_since_s = self._clock()
        with self._open() as source:
            self.opened = source
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
                    self._count += 1
                    self._news.notify_all()
        self._failed("the image is frozen" if self._reopen else "the source has ended")

    def _failed(self, why: str) -> None:
        self._busy_since_s = None
        with self._news:
            self.error = why
            self.failures += 1
            self._count += 1
            self._news.notify_all()


class Watch:
    """Decides whether a source is alive. Pure: the caller passes the frames and ``now``.

    ``still_s`` is how long frames may be identical before the source counts as frozen (some drivers repeat
    the last frame forever after the camera was unplugged); None for no limit. ``faults`` counts how often a
    living source was lost.
    """

    #: Patience before the first frame.
    OPEN_S = 1.5

    def __init__(self, now: float, *, still_s: float | None = None) -> None:
        #: Patience between two frames.
        self.frame_s = 2.0
        self.faults = 0
        self.seen = False
        self._still_s = still_s
        self._deadline_s = now + self.OPEN_S
        self._sample: int | None = None
        self._changed_s = now
        self._frozen = False
        self._alive = False

    def saw(self, image: Image, now: float) -> bool:
        """Note an image that arrived at ``now``; False if the source is frozen."""
        if self._still_s is not None:
            # Some of the pixels are enough: noise changes every part of the image in every frame.
            sample = zlib.crc32(image[::16, ::16].tobytes())
            if sample != self._sample:
                self._sample, self._changed_s = sample, now
            self._frozen = now - self._changed_s >= self._still_s
        if not self._frozen:
            self._deadline_s = now + self.frame_s
            self._alive = self.seen = True
        return not self._frozen

    def lost(self, now: float, *, failed: bool = False) -> bool:
        """Whether the source is lost at ``now``.

        ``failed`` says that it reported an error: before the first frame that means lost, later it has as
        much time to recover as a silent source.
        """
        lost = self._frozen or now >= self._deadline_s or (failed and not self.seen)
        if lost and self._alive:
            self._alive = False
            self.faults += 1
        return lost
