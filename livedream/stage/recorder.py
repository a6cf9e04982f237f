"""The recorder: pictures into a film file, beside the show and never in its way.

An encoder thread takes pictures from a short queue; when it cannot keep up, pictures are left out and
counted. The file is written in fragments, so that what was on disk when a process was killed or the
power went is a film that plays.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import cv2
import numpy as np

from livedream.errors import OutputError, UsageError
from livedream.frame import Image, resize

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

_FRAGMENT_MS = 1000  # what the end of a process may cost
_MP4 = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": str(_FRAGMENT_MS * 1000)}
_MKV = {"cluster_time_limit": str(_FRAGMENT_MS)}
# FFmpeg's muxer for each ending, and its options.
_FORMATS = {".mp4": ("mp4", _MP4), ".mov": ("mov", _MP4), ".mkv": ("matroska", _MKV)}
# libx264 is in PyAV's wheels; the others are what a distribution's own FFmpeg may have instead.
_ENCODERS = (
    "libx264",
    "libopenh264",
    "h264_v4l2m2m",
    "h264_videotoolbox",
    "h264_mf",
    "h264_nvenc",
    "h264_qsv",
)
# At 720p on one thread: ultrafast 3.3 ms a frame, superfast 5.6, veryfast 7.8, at nearly the same size.
_X264 = {"preset": "superfast", "tune": "zerolatency", "crf": "20"}
_OTHER_BIT_RATE = 12_000_000  # for encoders that know no constant quality
_BT601 = 6  # AVCOL_SPC_SMPTE170M: the matrix of OpenCV's conversion, which players would guess wrongly for HD
_LIMITED_RANGE = 1  # AVCOL_RANGE_MPEG
_MS = Fraction(1, 1000)
_QUEUE = 8  # a quarter of a second: longer stalls drop pictures rather than fill memory
_CLOSE_S = 10.0


def automatic_path(folder: Path, kind: str, now: datetime) -> Path:
    """A path in ``folder`` that does not exist yet, such as ``livedream-2026-11-23-143500.mp4``.

    ``kind`` is the ending, ``mp4`` or ``png``; ``now`` is the wall clock.
    """
    name = f"livedream-{now:%Y-%m-%d-%H%M%S}"
    path = folder / f"{name}.{kind}"
    count = 2
    while path.exists():
        path = folder / f"{name}-{count}.{kind}"
        count += 1
    return path


class Recorder:
    """A film file being written. A context manager; ``close()`` may be called twice.

    The ending of ``path`` says which container: .mp4, .mov or .mkv; an existing file is replaced. The first
    picture sets the film's size (made even); ``fps`` is the nominal rate, the timing is that of the
    pictures. Raises ``UsageError`` for another ending, ``OutputError`` when the file cannot be written.
    """

    def __init__(self, path: Path | str, *, fps: float = 30.0) -> None:
        import av

        self.path = Path(path)
        self.dropped = 0
        self.error: str | None = None
        if self.path.suffix.lower() not in _FORMATS:
            raise UsageError(f"cannot record to {self.path.name!r}; possible endings: {', '.join(_FORMATS)}")
        try:
            self._file: BinaryIO = open(self.path, "wb")  # noqa: SIM115
        except OSError as error:
            raise OutputError(
                f"cannot record to {self.path}: {error.strerror or error}; possible: a file in a folder"
                " that exists and may be written"
            ) from error
        name, options = _FORMATS[self.path.suffix.lower()]
        self._container: OutputContainer = av.open(
            self._file, "w", format=name, container_options={**options, "flush_packets": "1"}
        )
        self._fps = fps
        self._stream: VideoStream | None = None
        self._start_s = 0.0
        self._last_ms = -1
        self._whole_bytes = 0
        self._queue: queue.Queue[tuple[Image, float] | None] = queue.Queue(_QUEUE)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def add(self, image: Image, time_s: float, *, wait: bool = False) -> None:
        """Record a picture (RGB uint8, (H, W, 3)) that was shown at ``time_s``. Copies it.

        Never waits, and drops the picture when the encoder is behind; with ``wait``, for a film that is
        made and not watched, the other way round. Does nothing after an error or after ``close()``.
        """
        if self.error is not None or self._closed:
            return
        if self._queue.full() and not wait:
            self.dropped += 1
            return
        # Only this thread puts pictures in, so without ``wait`` there still is room; and the encoder empties
        # the queue even after an error, so there will be.
        self._queue.put((image.copy(), time_s))

    def close(self) -> None:
        """Write what is waiting and finish the file."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_S)
            self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            self._fail(f"the disk did not answer for {_CLOSE_S:.0f} s")
        if self.dropped:
            _log.warning("%d pictures are missing in %s", self.dropped, self.path)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """The encoder thread."""
        while (item := self._queue.get()) is not None:
            if self.error is None:
                try:
                    self._encode(*item)
                except Exception as error:  # whatever it is, the show goes on without the recording
                    self._fail(error)
        try:
            if self._stream is not None and self.error is None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except Exception as error:
            self._fail(error)
        # Closing writes what is still buffered: on a full disk that fails once more, and is known by then.
        with contextlib.suppress(OSError):
            self._file.close()
        if self.error is not None and self._whole_bytes:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._whole_bytes)  # half a fragment would disturb players

    def _fail(self, error: Exception | str) -> None:
        if self.error is None:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            self.error = f"recording to {self.path} stopped after {self._last_ms / 1000:.0f} s: {reason}"
            _log.error("%s", self.error)

    def _encode(self, image: Image, time_s: float) -> None:
        import av

        if self._stream is None:
            height, width = (max(2, side // 2 * 2) for side in image.shape[:2])
            self._stream = self._add_stream(width, height)
            self._start_s = time_s
        stream = self._stream
        if abs(image.shape[0] - stream.height) < 2 and abs(image.shape[1] - stream.width) < 2:
            image = image[: stream.height, : stream.width]
        image = np.ascontiguousarray(resize(image, stream.width, stream.height))
        # OpenCV does it in 0.3 ms at 720p, FFmpeg's scaler in 2.
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._last_ms = max(self._last_ms + 1, round((time_s - self._start_s) * 1000))
        frame.pts, frame.time_base = self._last_ms, _MS
        self._container.mux(stream.encode(frame))
        self._file.flush()
        self._whole_bytes = self._file.tell()

    def _add_stream(self, width: int, height: int) -> VideoStream:
        """A stream of this size in the file, by the first H.264 encoder that can be used here."""
        from av.video.stream import VideoStream

        name = _encoder_for(width, height)
        if name != _ENCODERS[0]:
            _log.warning("recording by %s: FFmpeg has no %s here", name, _ENCODERS[0])
        stream = self._container.add_stream(name, rate=Fraction(self._fps).limit_denominator(1001))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = _MS
        context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
        context.gop_size = max(1, round(self._fps * _FRAGMENT_MS / 1000))
        # The show and the dream need the other half.
        context.thread_count = max(1, min(4, (os.cpu_count() or 1) // 2))
        if name == "libx264":
            context.options = _X264
        else:
            context.bit_rate = _OTHER_BIT_RATE
        return stream


def _encoder_for(width: int, height: int) -> str:
    """The first of the encoders that opens for this size. Raises ``OutputError`` when there is none."""
    import av
    from av.video.codeccontext import VideoCodecContext

    for name in _ENCODERS:
        try:
            context = av.CodecContext.create(name, "w")
            assert isinstance(context, VideoCodecContext)
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.time_base = _MS
            context.open()
        except (av.FFmpegError, ValueError) as error:
            _log.info("no recording by %s: %s", name, error)
            continue
        return name
    raise OutputError(f"no H.264 encoder for {width}x{height}; tried {', '.join(_ENCODERS)}")
