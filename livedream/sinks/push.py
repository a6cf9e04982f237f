"""Pushes the picture to a media server, such as MediaMTX: by RTSP, or by WHIP for browsers (WebRTC)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from urllib.parse import urlsplit

from livedream.errors import OutputError
from livedream.frame import Image
from livedream.sinks.addresses import MUXERS, public_url
from livedream.sinks.encoders import TIME_BASE, choose, leave_real_time, set_up, video_frame
from livedream.sinks.encoding import ENCODERS, Encoding
from livedream.sinks.sending import FPS
from livedream.timing import now_s

#: Both are for H.264: hardly any receiver of RTSP knows AV1.
_H264 = [encoder for encoder in ENCODERS if encoder.is_h264]
#: For 720p where nobody says how much: a network has less room than a disk.
_MBIT, _MBIT_PIXELS = 6.0, 1280 * 720


class Push:
    """A :class:`~livedream.sinks.sending.Device` at ``url``. Raises ``OutputError``."""

    def __init__(self, url: str, encoding: Encoding, width: int, height: int) -> None:
        import av
        from av.video.stream import VideoStream

        self._where = public_url(url)
        wanted = encoding.encoder if encoding.encoder in [encoder.name for encoder in _H264] else "auto"
        mbit = encoding.mbit or _MBIT * width * height / _MBIT_PIXELS
        self._encoder = choose(replace(encoding, encoder=wanted), width, height, _H264)
        muxer, options = MUXERS[urlsplit(url).scheme]
        self._av = av
        self._start_s, self._last_ms = now_s(), -1
        self._container = av.open(url, "w", format=muxer, container_options=options)
        try:
            stream = self._container.add_stream(self._encoder.codec, rate=Fraction(FPS))
            assert isinstance(stream, VideoStream)
            self._stream = stream
            asked = Encoding(wanted, mbit)
            self._standard = set_up(stream.codec_context, self._encoder, asked, width, height, FPS)
            if muxer == "whip":
                stream.codec_context.profile = "Baseline"  # what all browsers decode
            self._container.start_encoding()  # connects
            leave_real_time()
        except av.FFmpegError as error:
            self._container.close()
            raise self._explained(error) from None  # the library's own text has the whole address
        self.detail = f"{self._where}, {width}x{height}, {self._encoder.about}"

    def send(self, picture: Image) -> None:
        """Encode and send a picture, RGB."""
        frame = video_frame(picture, self._encoder, self._standard)
        self._last_ms = max(self._last_ms + 1, round((now_s() - self._start_s) * 1000))
        frame.pts, frame.time_base = self._last_ms, TIME_BASE
        try:
            self._container.mux(self._stream.encode(frame))
        except self._av.FFmpegError as error:
            raise self._explained(error) from None

    def close(self) -> None:
        """Say goodbye to the server."""
        try:
            self._container.close()
        except self._av.FFmpegError as error:
            raise self._explained(error) from None

    def _explained(self, error: Exception) -> OutputError:
        return OutputError(f"cannot push to {self._where}: {getattr(error, 'strerror', None) or 'failed'}")
