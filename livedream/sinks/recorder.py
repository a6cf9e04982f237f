"""The recorder: pictures into a video file, beside the show and never in its way.

An encoder thread takes pictures from a short queue; when it cannot keep up, pictures are left out and
counted. The file is written in fragments, so that what was on disk when a process was killed or the
power went is a video that plays.
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
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import cv2
import numpy as np

from livedream.errors import OutputError, UsageError
from livedream.files import require_writable
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


def automatic_path(folder: Path, kind: str, now: datetime, taken: Collection[Path] = ()) -> Path:
    """A path in ``folder`` that does not exist yet, such as ``livedream-2026-11-23-143500.mp4``.

    ``kind`` is the ending, ``mp4`` or ``png``; ``now`` is the wall clock; ``taken`` are paths that were
    given away and may not be written yet.
    """
    name = f"livedream-{now:%Y-%m-%d-%H%M%S}"
    path = folder / f"{name}.{kind}"
    count = 2
    while path.exists() or path in taken:
        path = folder / f"{name}-{count}.{kind}"
        count += 1
    return path


@dataclass(frozen=True)
class _Video:
    """A file that has begun."""

    file: BinaryIO
    container: OutputContainer
    stream: VideoStream


class Recorder:
    """A video file being written. A context manager; ``close()`` may be called twice.

    The ending of ``path`` says which container: .mp4, .mov or .mkv. The file begins with the first picture,
    which also sets the video's size (made even); until then an existing file is left alone. Pictures of
    another shape are fitted in, with black around them. ``fps`` is the nominal rate, the timing is that of
    the pictures. Raises ``UsageError`` for another ending, ``OutputError`` when the file cannot be written.
    """

    def __init__(self, path: Path | str, *, fps: float = 30.0) -> None:
        self.path = Path(path)
        self.dropped = 0
        self.error: str | None = None
        if self.path.suffix.lower() not in _FORMATS:
            raise UsageError(f"cannot record to {self.path.name!r}; possible endings: {', '.join(_FORMATS)}")
        require_writable(self.path)
        self._fps = fps
        self._video: _Video | None = None
        self._start_s = 0.0
        self._last_ms = -1
        self._whole_bytes = 0
        self._queue: queue.Queue[tuple[Image, float] | None] = queue.Queue(_QUEUE)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def add(self, image: Image, time_s: float, *, wait: bool = False) -> None:
        """Record a picture (RGB uint8, (H, W, 3)) that was shown at ``time_s``. Copies it.

        Never waits, and drops the picture when the encoder is behind; with ``wait``, for a video that is
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
        if self._video is None:
            return
        try:
            if self.error is None:
                self._video.container.mux(self._video.stream.encode(None))
            self._video.container.close()
        except Exception as error:
            self._fail(error)
        # Closing writes what is still buffered: on a full disk that fails once more, and is known by then.
        with contextlib.suppress(OSError):
            self._video.file.close()
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

        if self._video is None:
            height, width = (max(2, side // 2 * 2) for side in image.shape[:2])
            self._video = _begin(self.path, width, height, self._fps)
            self._start_s = time_s
        video = self._video
        image = _fitted(image, video.stream.width, video.stream.height)
        # OpenCV does it in 0.3 ms at 720p, FFmpeg's scaler in 2.
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        self._last_ms = max(self._last_ms + 1, round((time_s - self._start_s) * 1000))
        frame.pts, frame.time_base = self._last_ms, _MS
        video.container.mux(video.stream.encode(frame))
        video.file.flush()
        self._whole_bytes = video.file.tell()


def _begin(path: Path, width: int, height: int, fps: float) -> _Video:
    """A new file with a stream of this size, by the first H.264 encoder that can be used here."""
    import av
    from av.video.stream import VideoStream

    encoder = _encoder_for(width, height)
    if encoder != _ENCODERS[0]:
        _log.warning("recording by %s: FFmpeg has no %s here", encoder, _ENCODERS[0])
    muxer, options = _FORMATS[path.suffix.lower()]
    file = open(path, "wb")  # noqa: SIM115 - closed with the video
    container = av.open(file, "w", format=muxer, container_options={**options, "flush_packets": "1"})
    stream = container.add_stream(encoder, rate=Fraction(fps).limit_denominator(1001))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base = _MS
    context.colorspace, context.color_range = _BT601, _LIMITED_RANGE
    context.gop_size = max(1, round(fps * _FRAGMENT_MS / 1000))
    # The show and the dream need the other half.
    context.thread_count = max(1, min(4, (os.cpu_count() or 1) // 2))
    if encoder == "libx264":
        context.options = _X264
    else:
        context.bit_rate = _OTHER_BIT_RATE
    return _Video(file, container, stream)


def _fitted(image: Image, width: int, height: int) -> Image:
    """``image`` at (width, height): cut by the odd pixel, or scaled in its own shape with black around it."""
    if abs(image.shape[0] - height) < 2 and abs(image.shape[1] - width) < 2:
        return np.ascontiguousarray(resize(image[:height, :width], width, height))
    scale = min(width / image.shape[1], height / image.shape[0])
    across, down = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    fitted: Image = np.zeros((height, width, 3), np.uint8)
    left, top = (width - across) // 2, (height - down) // 2
    fitted[top : top + down, left : left + across] = resize(image, across, down)
    return fitted


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
