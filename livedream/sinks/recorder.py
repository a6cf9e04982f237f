"""The recorder: writes pictures to a video file without ever blocking the show.

An encoder thread takes pictures from a short queue; if it can't keep up, pictures are dropped and counted.
The file is written in fragments: after a crash or a power cut, what is on disk still plays.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from livedream.errors import OutputError, UsageError
from livedream.files import require_room, require_writable
from livedream.frame import Array, Image
from livedream.memory import trim
from livedream.resource import Resource
from livedream.sinks.encoders import KEY_S, TIME_BASE, choose, leave_real_time, set_up, video_frame
from livedream.sinks.encoding import ENCODERS, Encoder, Encoding
from livedream.sinks.port import Stamp
from livedream.sinks.yuv import Standard, fitted

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

_FRAGMENT_MS = round(KEY_S * 1000)  # how much a crash may cost
_MP4 = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": str(_FRAGMENT_MS * 1000)}
_MKV = {"cluster_time_limit": str(_FRAGMENT_MS)}
# FFmpeg's muxer for each file extension, and its options.
_FORMATS = {".mp4": ("mp4", _MP4), ".mov": ("mov", _MP4), ".mkv": ("matroska", _MKV)}
_QUEUE = 8  # a quarter of a second: longer stalls drop pictures instead of filling memory
_CLOSE_S, _CLOSE_AFTER_ERROR_S = 10.0, 0.5
_BY_ITSELF = Encoding()


def automatic_path(folder: Path, kind: str, now: datetime, taken: Collection[Path] = ()) -> Path:
    """A path in ``folder`` that does not exist yet, such as ``livedream-2026-11-23-143500.mp4``.

    ``kind`` is the extension, ``mp4`` or ``png``; ``now`` is local time; ``taken`` are paths that are in use
    but may not exist yet.
    """
    return unused_path(folder / f"livedream-{now:%Y-%m-%d-%H%M%S}.{kind}", taken)


def unused_path(path: Path, taken: Collection[Path] = ()) -> Path:
    """``path``, or where that exists ``NAME-2``, ``NAME-3`` …"""
    unused, count = path, 2
    while unused.exists() or unused in taken:
        unused = path.with_stem(f"{path.stem}-{count}")
        count += 1
    return unused


def encoders_for(path: Path) -> list[Encoder]:
    """The encoders whose video a file of this name can hold, in the order in which they are tried."""
    return [encoder for encoder in ENCODERS if encoder.is_h264 or path.suffix.lower() != ".mov"]


def require_recordable(path: Path, encoding: Encoding) -> None:
    """Raise ``UsageError`` for a name that is none of a video, and for an encoder that it cannot have."""
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(f"cannot record to {path.name!r}; possible extensions: {', '.join(_FORMATS)}")
    if encoding.encoder not in ("auto", *(encoder.name for encoder in encoders_for(path))):
        raise UsageError(f"{path.name!r} cannot hold {encoding.encoder}; possible: .mp4 or .mkv")


@dataclass(frozen=True)
class _Video:
    """An open video file."""

    file: BinaryIO
    container: OutputContainer
    stream: VideoStream
    encoder: Encoder
    standard: Standard


class Recorder(Resource):
    """Writes a video file; a :class:`~livedream.sinks.port.Sink`.

    The extension of ``path`` chooses the container: .mp4, .mov or .mkv. The file is created with the first
    picture, which also sets the video's size (rounded down to even); until then an existing file is left
    alone. Pictures of another shape are scaled to fit, with black borders. ``fps`` is nominal: every picture
    keeps its own time. ``encoding`` says which encoder, and how many bits; .mov takes H.264 only. It stops
    before less than ``leave_bytes`` of the disk are free. Raises ``UsageError`` for another extension,
    ``OutputError`` if the file cannot be written.
    """

    name = "recording"

    def __init__(
        self,
        path: Path | str,
        *,
        fps: float = 30.0,
        leave_bytes: int = 0,
        encoding: Encoding = _BY_ITSELF,
    ) -> None:
        self.path = Path(path)
        self.dropped = 0
        self.error: str | None = None
        require_recordable(self.path, encoding)
        self._encoders = encoders_for(self.path)
        require_writable(self.path)
        require_room(self.path, leave_bytes)
        self._fps, self._leave_bytes, self._encoding = fps, leave_bytes, encoding
        self._video: _Video | None = None
        self._start_s = 0.0
        self._last_ms = self._looked_ms = -1
        self._stamp: Stamp | None = None
        self._whole_bytes = 0
        self._queue: queue.Queue[tuple[Image, float] | None] = queue.Queue(_QUEUE)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def detail(self) -> str:
        """The file's name, and by what it is written."""
        video = self._video
        return self.path.name if video is None else f"{self.path.name}, {video.encoder.about}"

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp) -> None:
        """Record the picture at the capture time of its camera frame, once per frame; without ``overlay``.

        Raises ``OutputError`` after the file could not be written.
        """
        if self.error is not None:
            raise OutputError(self.error)
        if stamp.captured_s and stamp != self._stamp:
            self._stamp = stamp
            self.add(picture, stamp.captured_s)

    def add(self, image: Image, time_s: float, *, wait: bool = False) -> None:
        """Record a picture (RGB uint8, (H, W, 3)) at ``time_s``. Copies it.

        Does not block, and drops the picture if the encoder is behind. With ``wait``, for offline rendering,
        it blocks instead and drops nothing. Does nothing after an error or after ``close()``.
        """
        if self.error is not None or self._closed:
            return
        if self._queue.full() and not wait:
            self.dropped += 1
            return
        # Only this thread adds pictures, so without ``wait`` there is room; with it there will be, since
        # the encoder empties the queue even after an error.
        self._queue.put((image.copy(), time_s))

    def close(self) -> None:
        """Write the queued pictures and finish the file."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(queue.Full):
            # After an error little is left to write, and the show may be waiting.
            patience_s = _CLOSE_S if self.error is None else _CLOSE_AFTER_ERROR_S
            self._queue.put(None, timeout=patience_s)
            self._thread.join(patience_s)
        if self._thread.is_alive():
            self._fail(f"the disk did not respond for {_CLOSE_S:.0f} s")
        if self.dropped:
            _log.warning("%d frames dropped in %s", self.dropped, self.path)

    def finish(self) -> None:
        """Close the file. Raises ``OutputError`` if it could not be written to its end."""
        self.close()
        if self.error is not None:
            raise OutputError(self.error)

    def _run(self) -> None:
        """The encoder thread."""
        while (item := self._queue.get()) is not None:
            if self.error is None:
                try:
                    self._encode(*item)
                except Exception as error:  # of any kind: the show goes on without the recording
                    self._fail(error)
        if self._video is None:
            return
        try:
            if self.error is None:
                self._video.container.mux(self._video.stream.encode(None))
            self._video.container.close()
        except Exception as error:
            self._fail(error)
        # Closing flushes buffers: on a full disk that fails again, with the error already reported.
        with contextlib.suppress(OSError):
            self._video.file.close()
        if self.error is not None and self._whole_bytes:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._whole_bytes)  # players stumble over half a fragment
        self._video = None
        trim()  # an encoder takes tens of megabytes

    def _fail(self, error: Exception | str) -> None:
        if self.error is None:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            self.error = (
                f"recording to {self.path} stopped after {max(0, self._last_ms) / 1000:.0f} s: {reason}"
            )

    def _encode(self, image: Image, time_s: float) -> None:
        if self._video is None:
            height, width = (max(2, side // 2 * 2) for side in image.shape[:2])
            encoder = choose(self._encoding, width, height, self._encoders)
            self._video = _begin(self.path, encoder, self._encoding, width, height, self._fps)
            self._start_s = time_s
        video = self._video
        image = fitted(image, video.stream.width, video.stream.height)
        frame = video_frame(image, video.encoder, video.standard)
        self._last_ms = max(self._last_ms + 1, round((time_s - self._start_s) * 1000))
        frame.pts, frame.time_base = self._last_ms, TIME_BASE
        video.container.mux(video.stream.encode(frame))
        video.file.flush()
        self._whole_bytes = video.file.tell()
        if self._last_ms - self._looked_ms >= _FRAGMENT_MS:
            self._looked_ms = self._last_ms
            leave_real_time()
            require_room(self.path, self._leave_bytes)


def _begin(path: Path, encoder: Encoder, encoding: Encoding, width: int, height: int, fps: float) -> _Video:
    """A new file with a stream of this size."""
    import av
    from av.video.stream import VideoStream

    muxer, options = _FORMATS[path.suffix.lower()]
    file = open(path, "wb")  # noqa: SIM115 - closed with the video
    container = av.open(file, "w", format=muxer, container_options={**options, "flush_packets": "1"})
    stream = container.add_stream(encoder.codec, rate=Fraction(fps).limit_denominator(1001))
    assert isinstance(stream, VideoStream)
    standard = set_up(stream.codec_context, encoder, encoding, width, height, fps)
    container.start_encoding()
    leave_real_time()
    _log.info("recording %dx%d to %s: %s, %s", width, height, path, encoder.about, standard.name)
    return _Video(file, container, stream, encoder, standard)
