"""Which encoder writes a video: the first that really opens here, for recordings and for what is sent.

FFmpeg names many encoders that this machine has no hardware for, so each is tried by opening it. Hardware
that makes H.264 comes first, since it costs the show nothing and plays everywhere; then SVT-AV1. x264 is only
used by itself where nothing else opens: it is GPL, and comes in PyAV's wheels.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from livedream.errors import OutputError
from livedream.frame import Image
from livedream.sinks.encoding import ENCODERS, Encoder, Encoding
from livedream.sinks.yuv import LIMITED_RANGE, Standard, standard_of, to_i420, to_nv12

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.codeccontext import VideoCodecContext

log = logging.getLogger(__name__)

#: Time stamps are in milliseconds: a recording keeps the time of each picture.
TIME_BASE = Fraction(1, 1000)
#: How far apart pictures are from which a player can begin; a crash costs as much.
KEY_S = 1.0
#: Mbit/s for 720p where an encoder knows no constant quality; other sizes get as much for each pixel.
_MBIT, _MBIT_PIXELS = 12.0, 1280 * 720


def usable(width: int = 1280, height: int = 720) -> Iterator[tuple[Encoder, str]]:
    """Each encoder, with why it does not open here at this size, or ""."""
    for encoder in ENCODERS:
        yield encoder, _try(encoder, width, height)


def choose(encoding: Encoding, width: int, height: int, among: Sequence[Encoder] = ENCODERS) -> Encoder:
    """The encoder that was asked for, or the first of ``among`` that opens for this size.

    Raises ``OutputError`` if it does not open, or none does.
    """
    tried = []
    for encoder in among:
        if encoding.encoder in ("auto", encoder.name):
            reason = _try(encoder, width, height)
            if not reason:
                return encoder
            log.debug("the encoder %s does not open: %s", encoder.name, reason)
            tried.append(f"{encoder.name} ({reason})" if encoding.encoder != "auto" else encoder.name)
    opening = [encoder.name for encoder in among if not _try(encoder, width, height)]
    raise OutputError(
        f"no encoder for {width}x{height}: tried {', '.join(tried) or encoding.encoder};"
        f" possible here: {', '.join(opening) or 'none'}"
    )


def _try(encoder: Encoder, width: int, height: int) -> str:
    import av
    from av.video.codeccontext import VideoCodecContext

    _quiet()
    try:
        context = av.CodecContext.create(encoder.codec, "w")
        assert isinstance(context, VideoCodecContext)
        set_up(context, encoder, Encoding(), width, height, 30.0)
        try:
            context.open()
        finally:
            leave_real_time()
    except (av.FFmpegError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ""


def set_up(
    context: VideoCodecContext, encoder: Encoder, encoding: Encoding, width: int, height: int, fps: float
) -> Standard:
    """Tell an encoder what it gets, and how to write it. Returns how colours must be converted for it."""
    _quiet()
    standard = standard_of(width, height)
    context.width, context.height, context.pix_fmt = width, height, encoder.pixels
    context.time_base = TIME_BASE
    context.framerate = Fraction(fps).limit_denominator(1001)
    context.colorspace, context.color_range = standard.matrix, LIMITED_RANGE
    context.color_primaries, context.color_trc = standard.primaries, standard.transfer
    context.gop_size = max(1, round(fps * KEY_S))
    # The show and the dream need the other half of the cores.
    context.thread_count = max(1, min(4, (os.cpu_count() or 1) // 2))
    if encoding.mbit is None and encoder.options:
        context.options = dict(encoder.options)
    else:
        mbit = encoding.mbit or _MBIT * max(0.1, width * height / _MBIT_PIXELS)
        context.bit_rate = round(mbit * 1e6)
        context.options = dict(encoder.rated)
    return standard


def leave_real_time() -> None:
    """Make all threads usual ones: SVT-AV1, opened by root, puts the one that opens it and its own into real
    time, where they may keep all else from running. Its own do so when they begin, so call it later again."""
    if sys.platform != "linux":
        return
    for thread in map(int, os.listdir("/proc/self/task")):
        with suppress(OSError):  # it has ended, or may not be looked at
            if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def video_frame(image: Image, encoder: Encoder, standard: Standard) -> VideoFrame:
    """A picture (RGB, even sides) as the encoder takes it."""
    import av

    planes = to_i420(image, standard)
    if encoder.pixels == "nv12":
        planes = to_nv12(planes)
    return av.VideoFrame.from_ndarray(planes, format=encoder.pixels)


def _quiet() -> None:
    """SVT-AV1 writes its version to the terminal each time it opens; it says by its return what is wrong."""
    os.environ.setdefault("SVT_LOG", "0")
