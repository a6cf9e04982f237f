"""Pictures from the network: MJPEG over HTTP, and RTSP.

PyAV, as for videos: unlike OpenCV it has time-outs for opening and for each read, and says what went wrong.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from livedream.errors import SourceError
from livedream.frame import Frame
from livedream.sources.decoded import Decoded, upright_size
from livedream.sources.source import Clock, Source, public_name, slot_size

_OPEN_TIMEOUT_S, _READ_TIMEOUT_S = 8.0, 5.0


class Stream(Source):
    """A live stream, each frame as it arrives, stamped with the moment when it was there.

    Whoever takes frames more slowly than they come falls behind: the camera process reads on a thread of
    its own. Raises ``SourceError`` when it cannot be opened, and when it stops.
    """

    kind = "stream"

    def __init__(self, url: str, *, clock: Clock = time.monotonic) -> None:
        import av

        self.name = public_name(url)
        self._clock = clock
        # Little probing and no buffering: what counts is now.
        options = {"fflags": "nobuffer", "flags": "low_delay", "probesize": "500000"}
        if url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"  # UDP loses packets, and each shows as a smear
        try:
            self._container = av.open(url, options=options, timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S))
        except (av.FFmpegError, OSError) as error:
            raise self._error(f"cannot be opened: {error.strerror}") from error
        self._pictures = Decoded()
        self._index = 0
        self._closed = False
        try:
            if not self._container.streams.video:
                raise self._error("has no pictures")
            stream = self._container.streams.video[0]
            self.fps = float(stream.average_rate) if stream.average_rate else None
            self._frames: Iterator[av.VideoFrame] = self._container.decode(stream)
            self._source_size = (0, 0)
            self._first: Frame | None = self._read()
        except BaseException:
            self._container.close()
            raise

    def __next__(self) -> Frame:
        if self._closed:
            raise StopIteration
        frame, self._first = self._first, None
        return frame or self._read()

    def close(self) -> None:
        self._closed = True
        self._container.close()

    def _read(self) -> Frame:
        import av

        try:
            picture = next(self._frames)
        except StopIteration:
            raise self._error("has ended") from None
        except (av.FFmpegError, OSError) as error:
            raise self._error(f"stopped: {error.strerror}") from error
        time_s = self._clock()
        if (picture.width, picture.height) != self._source_size:
            self._source_size = (picture.width, picture.height)
            self.size = slot_size(*upright_size(picture), self.name)
        frame = Frame(self._pictures.image(picture, self.size), self._index, time_s)
        self._index += 1
        return frame

    def _error(self, found: str) -> SourceError:
        return SourceError(f"stream {self.name} {found}; possible: an MJPEG (http://…) or rtsp:// address")
