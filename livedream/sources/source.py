"""What every source is: a named iterator of frames that can be closed. And the clock that videos keep to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import numpy as np

from livedream.frame import MAX_FRAME_BYTES, Array, Frame, Image, resize

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Sleep = Callable[[float], None]

#: What a user may ask for, for the end of an error message.
POSSIBLE = "a camera (0, 1, /dev/video0), clouds, a video, a photo, http://… or rtsp://…"


class Source:
    """Where pictures come from: an iterator of :class:`Frame` and a context manager.

    ``name`` is for the HUD; ``kind`` is camera, video, photo, stream or clouds; ``fps`` is the nominal rate,
    ``frame_count`` the number of frames of one pass, or None where nobody knows; ``size`` is (width, height).
    """

    name: str
    kind: str
    fps: float | None = None
    size: tuple[int, int]
    frame_count: int | None = None

    def __next__(self) -> Frame:
        """The next frame. Raises ``StopIteration`` at the end, ``SourceError`` when there is no picture."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what the source holds. May be called twice; there are no more frames after it."""
        raise NotImplementedError

    def __iter__(self) -> Source:
        return self

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Playhead:
    """Lays the time of a programme, which starts at 0, over the clock. Never drifts: every wait has its
    own deadline. The clock starts with the first question."""

    #: Whoever is later than this was asleep, or can't keep up: go on from here, don't run after the clock.
    GIVE_UP_S = 1.0

    def __init__(self, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._start_s: float | None = None

    def late_s(self, at_s: float) -> float:
        """How late ``at_s`` of the programme is now, in seconds; negative when it is still to come."""
        now = self._clock()
        if self._start_s is None:
            self._start_s = now - at_s
        late = now - self._start_s - at_s
        if late > self.GIVE_UP_S:
            self._start_s += late
            return 0.0
        return late

    def wait(self, at_s: float) -> float:
        """Sleep until ``at_s`` of the programme is due, if it is not yet, and return the clock's time."""
        early = -self.late_s(at_s)
        if early > 0:
            self._sleep(early)
        return self._clock()


class Metronome:
    """Beats at ``rate_hz``; a beat that was missed is left out, not caught up."""

    def __init__(self, rate_hz: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> None:
        self._interval_s = 1.0 / rate_hz
        self._playhead = Playhead(clock, sleep)
        self._beat = -1

    def wait(self) -> float:
        """Sleep until the next beat and return the clock's time."""
        self._beat += 1
        late = self._playhead.late_s(self._beat * self._interval_s)
        if late > self._interval_s:
            self._beat += int(late / self._interval_s)
        return self._playhead.wait(self._beat * self._interval_s)


def public_name(spec: str) -> str:
    """A short name for the HUD: ``camera 0``, a file's name, an address without user, password and query."""
    if spec.isdecimal():
        return f"camera {spec}"
    if "://" in spec:
        parts = urlsplit(spec)
        return parts.netloc.rpartition("@")[2] + parts.path
    return Path(spec).name


def slot_size(width: int, height: int, name: str) -> tuple[int, int]:
    """(width, height), or a smaller size of the same shape when a slot could not hold it; that is logged."""
    if width * height * 3 <= MAX_FRAME_BYTES:
        return width, height
    smaller = size_within(width, height, MAX_FRAME_BYTES)
    log.warning("%s is %d×%d, more than 4K: scaled down to %d×%d", name, width, height, *smaller)
    return smaller


def size_within(width: int, height: int, limit_bytes: int) -> tuple[int, int]:
    """(width, height), made smaller in the same shape when an RGB picture of it has over ``limit_bytes``."""
    shrink = min(1.0, (limit_bytes / (width * height * 3)) ** 0.5)
    return max(1, int(width * shrink)), max(1, int(height * shrink))


def fitted(image: Array, size: tuple[int, int]) -> Image:
    """``image`` (H, W, 3) uint8 at (width, height) ``size``, contiguous."""
    return np.ascontiguousarray(resize(image, *size), np.uint8)
