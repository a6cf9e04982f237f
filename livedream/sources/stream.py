"""Network streams: MJPEG over HTTP, and RTSP.

Decoded with PyAV, as videos are: unlike OpenCV it has time-outs for opening and reading, and reports errors.
"""

from __future__ import annotations

import logging
import time

from livedream.errors import SourceError, quoted
from livedream.frame import Image
from livedream.sources.decoded import Converter, decoded_frames, upright_size
from livedream.sources.source import Clock, LiveSource, public_name

log = logging.getLogger(__name__)

_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 8.0, 5.0
#: Damaged frames are skipped for this long; then the stream counts as failed.
_DAMAGED_S = 5.0


class Stream(LiveSource):
    """A live stream. Each frame is stamped with its time of arrival.

    A consumer slower than the stream falls behind, so the camera process reads on a separate thread.
    Damaged frames are skipped. Raises ``SourceError`` when the stream cannot be opened, and when it stops.
    """

    kind = "stream"

    def __init__(self, url: str, *, clock: Clock = time.monotonic) -> None:
        import av

        super().__init__(public_name(url))
        self._clock = clock
        # Minimal probing and no buffering, for low latency.
        options = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "500000"}
        if url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # UDP loses packets, and each loss shows as a smear
        try:
            self._container = av.open(url, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S))
        except (av.FFmpegError, OSError) as error:
            raise self._error(f"cannot be opened: {error.strerror}") from error
        if not self._container.streams.video:
            self.close()
            raise self._error("has no video")
        video = self._container.streams.video[0]
        self.fps = float(video.average_rate) if video.average_rate else None
        self._converter = Converter()
        self._damaged = 0
        self._decoded_s = clock()
        self._frames = decoded_frames(self._container, video, self._skip_damaged)
        self._read_first()

    def _read(self) -> tuple[Image, float]:
        import av

        try:
            frame = next(self._frames)
        except StopIteration:
            raise self._error("has ended") from None
        except (av.FFmpegError, OSError) as error:
            raise self._error(f"stopped: {error.strerror}") from error
        self._decoded_s = time_s = self._clock()
        return self._converter.image(frame, self._size_for(*upright_size(frame))), time_s

    def _release(self) -> None:
        self._container.close()

    def _skip_damaged(self) -> None:
        self._damaged += 1
        if self._damaged == 1:
            log.warning("%s: skipping damaged frames", self.name)
        if self._clock() - self._decoded_s > _DAMAGED_S:
            raise self._error(f"sent nothing but damaged frames for {_DAMAGED_S:g} s")

    def _error(self, found: str) -> SourceError:
        return SourceError(
            f"stream {quoted(self.name)} {found}; possible: an MJPEG (http://…) or rtsp:// address"
        )
