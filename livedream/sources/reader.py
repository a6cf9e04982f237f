"""Reading a source that may hang for ever, without hanging with it.

A :class:`Reader` opens and reads a source on a thread of its own, for ever, and keeps the newest frame. A
:class:`Watch` judges from the outside, by the clock alone, whether that is still a living picture.
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

RETRY_S = 2.0


class Reader:
    """Opens a source, reads it, and opens it again ``retry_s`` after it failed or ended, on a daemon thread.

    ``frame`` is the newest frame, ``opened`` the source's description once there has been one, ``error``
    why there is none now (None while all is well).
    """

    def __init__(
        self, open_: Callable[[], Source], *, retry_s: float = RETRY_S, clock: Clock = time.monotonic
    ) -> None:
        self._open, self._retry_s, self._clock = open_, retry_s, clock
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._again = False
        self._busy_since_s: float | None = None
        self._count = 0
        self.frame: Frame | None = None
        self.opened: Source | None = None
        self.error: str | None = None

    def start(self) -> Reader:
        """Begin; returns itself."""
        threading.Thread(target=self._run, name="source", daemon=True).start()
        return self

    def stop(self) -> None:
        """Ask the thread to end; it does so when the source next answers, which may be never."""
        self._stop.set()

    def reopen(self) -> None:
        """Close and open the source as soon as it next answers: it gives frames, but no living picture."""
        self._again = True

    def busy_s(self, now: float) -> float:
        """For how long the source has not answered the last request to open or to give a frame."""
        since = self._busy_since_s
        return 0.0 if since is None else now - since

    def wait(self, seen: int, timeout_s: float) -> int:
        """Sleep until there is news (a frame or a failure) after news number ``seen``, at most
        ``timeout_s``. Returns the number of the latest news, to ask with the next time."""
        with self._news:
            self._news.wait_for(lambda: self._count != seen, timeout_s)
            return self._count

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read_once()
            except LivedreamError as error:
                self._failed(str(error))
            except Exception as error:  # a driver's surprise must not end the only thread that can recover
                log.exception("the source failed in an unexpected way; trying again in %g s", self._retry_s)
                self._failed(f"{type(error).__name__}: {error}")
            self._stop.wait(self._retry_s)

    def _read_once(self) -> None:
        """From opening to the end of the source, or to its failure."""
        self._again = False
        self._busy_since_s = self._clock()
        with self._open() as source:
            self.opened = source
            while not (self._stop.is_set() or self._again):
                self._busy_since_s = self._clock()
                frame = next(source, None)
                if frame is None:
                    break
                with self._news:
                    self.frame, self.error = frame, None
                    self._count += 1
                    self._news.notify_all()
        self._failed("the picture stands still" if self._again else "the source has ended")

    def _failed(self, why: str) -> None:
        self._busy_since_s = None
        with self._news:
            self.error = why
            self._count += 1
            self._news.notify_all()


class Watch:
    """Judges whether a source lives: pure, the caller passes the pictures and ``now``.

    ``still_s``: a picture that does not change in the least for so long is no living one (a driver that
    repeats the last picture for ever after the camera was unplugged); None for sources that may stand
    still. ``faults`` counts how often a living source was lost.
    """

    #: Patience before the first picture.
    OPEN_S = 1.5

    def __init__(self, now: float, *, still_s: float | None = None) -> None:
        #: Patience between two pictures.
        self.frame_s = 2.0
        self.faults = 0
        self.seen = False
        self._still_s = still_s
        self._deadline_s = now + self.OPEN_S
        self._sample: int | None = None
        self._changed_s = now
        self._frozen = False
        self._lives = False

    def saw(self, image: Image, now: float) -> bool:
        """Note a picture that came at ``now``; False when it is a frozen one."""
        if self._still_s is not None:
            # A part is enough: the noise of a camera changes every part of the picture in every frame.
            sample = zlib.crc32(image[::16, ::16].tobytes())
            if sample != self._sample:
                self._sample, self._changed_s = sample, now
            self._frozen = now - self._changed_s >= self._still_s
        if not self._frozen:
            self._deadline_s = now + self.frame_s
            self._lives = self.seen = True
        return not self._frozen

    def lost(self, now: float, *, failed: bool = False) -> bool:
        """Whether there is no living picture at ``now``. ``failed``: the source itself says so; that is
        believed at once before the first picture, later it has as long to recover as if it said nothing."""
        lost = self._frozen or now >= self._deadline_s or (failed and not self.seen)
        if lost and self._lives:
            self._lives = False
            self.faults += 1
        return lost
