"""The encoders that may write a video, in the order in which they are tried, and what may be asked of one.

The command line knows them by this alone: nothing here loads a library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Encoder:
    """``name`` is for people, ``codec`` is FFmpeg's name.

    ``options`` are for constant quality; with a given bit rate ``rated`` replaces them. ``pixels`` is the
    format that it takes.
    """

    name: str
    codec: str
    about: str
    pixels: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    rated: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_h264(self) -> bool:
        """Whether it makes H.264, not AV1."""
        return self.codec != "libsvtav1"


# Nothing waits for look-ahead: each picture is written when it comes (pred-struct 1), by one thread. At
# crf 28 it is as good as x264 at 20, for up to half as much time again (docs/measurements.md).
_SVT = "lp=1:rtc=1:pred-struct=1"
# Per frame at 720p on one thread: ultrafast 3.3 ms, superfast 5.6, veryfast 7.8, at nearly the same size.
_X264 = {"preset": "superfast", "tune": "zerolatency"}

#: In the order in which they are tried.
ENCODERS = (
    Encoder("nvenc", "h264_nvenc", "H.264 by NVIDIA"),
    Encoder("qsv", "h264_qsv", "H.264 by Intel", "nv12"),
    Encoder("amf", "h264_amf", "H.264 by AMD", "nv12"),
    Encoder("videotoolbox", "h264_videotoolbox", "H.264 by macOS"),
    Encoder("mf", "h264_mf", "H.264 by Windows", "nv12"),
    Encoder("v4l2m2m", "h264_v4l2m2m", "H.264 by a small board"),
    Encoder(
        "av1",
        "libsvtav1",
        "AV1 by SVT-AV1",
        options={"preset": "13", "crf": "28", "svtav1-params": _SVT},
        rated={"preset": "13", "svtav1-params": _SVT + ":rc=2"},
    ),
    Encoder("openh264", "libopenh264", "H.264 by OpenH264"),
    Encoder("x264", "libx264", "H.264 by x264 (GPL)", options={**_X264, "crf": "20"}, rated=_X264),
)
#: What ``--encoder`` takes.
NAMES = ("auto", *(encoder.name for encoder in ENCODERS))


@dataclass(frozen=True)
class Encoding:
    """What somebody wants of an encoder: which one, and how many Mbit/s; None: constant quality."""

    encoder: str = "auto"
    mbit: float | None = None
