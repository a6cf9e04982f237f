"""The base classes of all sources, and the timing that videos, photos and clouds keep to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import numpy as np

from livedream.errors import SourceError
from livedream.frame import MAX_FRAME_BYTES, Array, Frame, Image, resize
from livedream.resource import Resource

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Sleep = Callable[[float], None]

#: What a user may ask for: the end of an error message.
POSSIBLE = (
    "a camera (0, 1, /dev/video0, camera:NAME, usb:VVVV:PPPP), clouds, a video, a photo, http://… or rtsp://…"
)


class AbsentError(SourceError):
    """The device of a source is not there at the moment."""


class Source(Resource):
    """An iterator of :class:`Frame` and a context manager. After ``close()`` there are no more frames.

    ``name`` is for the HUD; ``kind`` is camera, video, photo, stream or clouds; ``fps`` is the nominal rate
    and ``frame_count`` the number of frames in one pass, each None if unknown; ``size`` is (width, height).
    """

    name: str
    kind: str
    fps: float | None = None
    size: tuple[int, int]
    frame_count: int | None = None

    def __next__(self) -> Frame:
        """The next frame. Raises ``StopIteration`` at the end, ``SourceError`` if no frame can be read."""
        raise NotImplementedError

    def __iter__(self) -> Self:
        return self


class LiveSource(Source):
    """Base of cameras and streams, which number their frames as they arrive.

    A subclass implements :meth:`_read` and :meth:`_release`, and calls :meth:`_read_first` when it is open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._index = 0
        self._closed = False
        self._first: Frame | None = None
        self._native_size = (0, 0)

    def _read(self) -> tuple[Image, float]:
        """The next image and its capture time. Raises ``SourceError``."""
        raise NotImplementedError

    def _release(self) -> None:
        """Release the device or connection."""
        raise NotImplementedError

    def _read_first(self) -> None:
        """Read the first frame, so that a source without one fails while it is being opened."""
        try:
            self._first = self._frame()
        except BaseException:
            self.close()
            raise

    def _frame(self) -> Frame:
        image, time_s = self._read()
        frame = Frame(image, self._index, time_s)
        self._index += 1
        return frame

    def _size_for(self, width: int, height: int) -> tuple[int, int]:
        """The size at which to deliver an image of this native size; a change is logged."""
        if (width, height) != self._native_size:
            self._native_size, self.size = (width, height), slot_size(width, height, self.name)
        return self.size

    def __next__(self) -> Frame:
        if self._closed:
            raise StopIteration
        first, self._first = self._first, None
        return first or self._frame()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()


class Playhead:
    """Maps media time, which starts at 0, to the clock, which starts at the first call.

    Never drifts: every wait has its own deadline.
    """

    #: A consumer later than this was suspended or cannot keep up: go on from here instead of catching up.
    GIVE_UP_S = 1.0

    def __init__(self, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> None:
        self._clock, self._sleep = clock, sleep
        self._start_s: float | None = None

    def late_s(self, at_s: float) -> float:
        """How late media time ``at_s`` is, in seconds; negative if it is not due yet."""
        now = self._clock()
        if self._start_s is None:
            self._start_s = now - at_s
        late = now - self._start_s - at_s
        if late > self.GIVE_UP_S:
            self._start_s += late
            return 0.0
        return late

    def wait(self, at_s: float) -> float:
        """Sleep until media time ``at_s`` is due, and return the clock's time."""
        early = -self.late_s(at_s)
        if early > 0:
            self._sleep(early)
        return self._clock()


class Metronome:
    """Ticks at ``rate_hz``. A missed tick is skipped, not caught up."""

    def __init__(self, rate_hz: float, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> None:
        self._interval_s = 1.0 / rate_hz
        self._playhead = Playhead(clock, sleep)
        self._tick = -1

    def wait(self) -> float:
        """Sleep until the next tick and return the clock's time."""
        self._tick += 1
        late = self._playhead.late_s(self._tick * self._interval_s)
        if late > self._interval_s:
            self._tick += int(late / self._interval_s)
        return self._playhead.wait(self._tick * self._interval_s)


def public_name(spec: str) -> str:
    """A short name for the HUD: ``camera 0``, a file name, or a URL without user, password and query."""
    if spec == "auto":
        return "camera"
    if spec.isdecimal():
        return f"camera {spec}"
    if spec.startswith(("camera:", "usb:")):
        return spec
    if "://" in spec:
        parts = urlsplit(spec)
        return parts.netloc.rpartition("@")[2] + parts.path
    return Path(spec).name


def slot_size(width: int, height: int, name: str) -> tuple[int, int]:
    """(width, height), scaled down in proportion (and logged) if it is larger than a slot can hold."""
    if width * height * 3 <= MAX_FRAME_BYTES:
        return width, height
    smaller = size_within(width, height, MAX_FRAME_BYTES)
    log.warning("%s: %d×%d is larger than 4K; scaled down to %d×%d", name, width, height, *smaller)
    return smaller


def size_within(width: int, height: int, limit_bytes: int) -> tuple[int, int]:
    """(width, height), scaled down in proportion so that an RGB image fits into ``limit_bytes``."""
    shrink = min(1.0, (limit_bytes / (width * height * 3)) ** 0.5)
    return max(1, int(width * shrink)), max(1, int(height * shrink))


def fitted(image: Array, size: tuple[int, int]) -> Image:
    """``image`` (H, W, 3) uint8 at (width, height) ``size``, contiguous."""
    return np.ascontiguousarray(resize(image, *size), np.uint8)
