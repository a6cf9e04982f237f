"""Videos: in real time for the mirror, or every frame in order for rendering.

Decoded with PyAV rather than OpenCV, which provides neither the timestamp of each frame (phones record at a
variable rate) nor the rotation, and prints to the terminal instead of raising.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from livedream.errors import SourceError, quoted
from livedream.frame import Frame
from livedream.sources.decoded import Converter, decoded_frames, upright_size
from livedream.sources.source import POSSIBLE, Clock, Playhead, Sleep, Source, public_name, slot_size

if TYPE_CHECKING:
    import av

log = logging.getLogger(__name__)

_UNKNOWN_FPS = 25.0
#: After this many dropped frames in a row, one is shown however late: a slow video is better than none.
_MAX_DROPS = 4


class Video(Source):
    """A video file, rotated upright.

    ``realtime``: frames come at the video's own times; one that is a frame late is dropped and its index
    skipped. Otherwise every frame comes as fast as it is read, stamped index / fps. With ``loop`` the
    video restarts without a gap. Raises ``SourceError``.
    """

    kind = "video"
    fps: float

    def __init__(
        self,
        path: str,
        *,
        loop: bool = True,
        realtime: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._path, self._loop = path, loop
        self.name = public_name(path)
        self._playhead = Playhead(clock, sleep) if realtime else None
        self._converter = Converter()
        self._container, stream = open_video(path)
        try:
            self.fps = nominal_fps(stream)
            self.frame_count = estimated_count(self._container, stream, self.fps)
            self._frames = self._decode(stream)
            first = next(self._frames)
            self.size = slot_size(*upright_size(first[0]), self.name)
        except BaseException:
            self._container.close()
            raise
        self._first: tuple[av.VideoFrame, float] | None = first
        self._index = 0
        self._closed = False

    def __next__(self) -> Frame:
        drops = 0
        while not self._closed:
            frame, at_s = self._first or next(self._frames)
            self._first = None
            index, self._index = self._index, self._index + 1
            if self._playhead is None:
                return Frame(self._converter.image(frame, self.size), index, index / self.fps)
            if self._playhead.late_s(at_s) > 1.0 / self.fps and drops < _MAX_DROPS:
                drops += 1
                continue
            # Converted before the wait, so that the frame is ready on time.
            image = self._converter.image(frame, self.size)
            return Frame(image, index, self._playhead.wait(at_s))
        raise StopIteration

    def close(self) -> None:
        self._closed = True
        self._container.close()

    def _decode(self, stream: av.VideoStream) -> Iterator[tuple[av.VideoFrame, float]]:
        """The frames, each with the time it is due in seconds from the start of the first pass."""
        pass_s = 0.0
        while True:
            at_s: float | None = None
            for frame, since_s in one_pass(self._container, stream, self.name, self.fps):
                at_s = pass_s + since_s
                yield frame, at_s
            if at_s is None:
                raise SourceError(f"video {quoted(self._path)} has no readable frame; possible: {POSSIBLE}")
            if not self._loop:
                return
            pass_s = at_s + 1.0 / self.fps
            # Reopened, because some containers (GIF, broken indices) cannot seek to the start.
            self._container.close()
            self._container, stream = open_video(self._path)


def open_video(path: str) -> tuple[av.container.InputContainer, av.VideoStream]:
    """The container and its first video stream. Raises ``SourceError`` for what is no video."""
    import av

    try:
        container = av.open(path)
    except (av.FFmpegError, OSError) as error:
        reason = "damaged or not a video" if isinstance(error, av.InvalidDataError) else error.strerror
        raise SourceError(f"video {quoted(path)} cannot be opened: {reason}; possible: {POSSIBLE}") from error
    # FFmpeg also "plays" text files.
    if not container.streams.video or container.format.name == "tty":
        found = ", ".join(sorted({stream.type for stream in container.streams}))
        container.close()
        found = "text" if found == "video" else found or "nothing"
        raise SourceError(f"video {quoted(path)} has no video; found {found}; possible: {POSSIBLE}")
    return container, container.streams.video[0]


def one_pass(
    container: av.container.InputContainer, stream: av.VideoStream, name: str, fps: float
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Each frame once, with its time in seconds since the first; damaged packets are skipped and logged.

    A frame without a time, or with one that goes back, follows the last at the nominal rate, ``fps``.
    """
    at_s: float | None = None
    for frame, since_s in _pass(container, stream, name):
        if at_s is None:
            at_s = since_s or 0.0
        else:
            at_s = since_s if since_s is not None and since_s > at_s else at_s + 1.0 / fps
        yield frame, at_s


def _pass(
    container: av.container.InputContainer, stream: av.VideoStream, name: str
) -> Iterator[tuple[av.VideoFrame, float | None]]:
    import av

    start_s: float | None = None
    damaged = 0

    def on_damage() -> None:
        nonlocal damaged
        damaged += 1

    try:
        for frame in decoded_frames(container, stream, on_damage):
            at_s = frame.time
            if start_s is None:
                start_s = at_s
            yield frame, None if at_s is None or start_s is None else at_s - start_s
    except av.FFmpegError as error:
        log.warning("%s ends early: %s", name, error.strerror)
    if damaged:
        log.warning("%s is damaged: skipped %d packet%s", name, damaged, "" if damaged == 1 else "s")


def nominal_fps(stream: av.VideoStream) -> float:
    """The frames a second of a video stream, as far as it says."""
    return float(stream.average_rate or stream.guessed_rate or _UNKNOWN_FPS)


def estimated_count(container: av.container.InputContainer, stream: av.VideoStream, fps: float) -> int | None:
    """The number of frames, from the duration where a container does not tell; None when it is unknown."""
    if stream.frames:
        return stream.frames
    if stream.duration:
        duration_s = float(stream.duration * (stream.time_base or Fraction(0)))
    else:
        duration_s = (container.duration or 0) / 1e6
    return math.ceil(duration_s * fps - 0.5) if duration_s else None
