"""Parses what a user writes after ``--source``, and opens it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from livedream.errors import SourceError, quoted
from livedream.sources.devices import Finder, is_camera
from livedream.sources.source import POSSIBLE, Source

Kind = Literal["camera", "video", "photo", "stream", "clouds"]


@dataclass(frozen=True)
class SourceSpec:
    """A requested source: its kind, and the device, path or address to open."""

    kind: Kind
    target: str


def parse_spec(spec: str) -> SourceSpec:
    """The source that ``spec`` names; see :func:`open_source`. Photo or video is decided by a file's content.

    Whether a camera is there is not looked at. Raises ``SourceError`` for a file that is missing or empty,
    and for a folder.
    """
    spec = spec.strip()
    if spec == "clouds":
        return SourceSpec("clouds", spec)
    if is_camera(spec):
        return SourceSpec("camera", spec)
    if re.match(r"(https?|rtsps?)://", spec):
        return SourceSpec("stream", spec)
    path = Path(spec)
    found = None
    if not os.path.exists(spec):  # unlike Path's, also handles text too long for a file name
        found = "no such file"
    elif path.is_dir():
        found = "a folder"
    elif not path.stat().st_size:
        found = "an empty file"
    if found:
        raise SourceError(f"source {quoted(spec)}: found {found}; possible: {POSSIBLE}")
    from livedream.sources.photo import is_photo

    return SourceSpec("photo" if is_photo(spec) else "video", spec)


def open_source(
    spec: str, *, loop: bool = True, realtime: bool = True, finder: Finder | None = None
) -> Source:
    """Open a source of frames: a context manager and an iterator of :class:`Frame`.

    ``spec`` is a camera (``"0"``, ``"/dev/v4l/by-id/…"``, ``"camera:NAME"`` for a part of its name,
    ``"usb:VVVV:PPPP"``, ``"auto"`` for the first), ``"clouds"``, a video or photo file, or an ``http://``
    (MJPEG) or ``rtsp://`` address. ``realtime`` plays videos at their own rate (late frames are dropped),
    photos and clouds at 30 fps; otherwise every frame comes as fast as it is read, stamped index / fps.
    Cameras and streams are always live. ``loop`` repeats videos and photos forever.
    ``finder`` remembers which camera it was.
    Raises ``SourceError``.
    """
    asked = parse_spec(spec)
    match asked.kind:
        case "camera":
            from livedream.sources.camera import Camera

            return Camera(asked.target, finder=finder)
        case "video":
            from livedream.sources.video import Video

            return Video(asked.target, loop=loop, realtime=realtime)
        case "photo":
            from livedream.sources.photo import Photo

            return Photo(asked.target, loop=loop, realtime=realtime)
        case "stream":
            from livedream.sources.stream import Stream

            return Stream(asked.target)
        case "clouds":
            from livedream.sources.clouds import CloudSource

            return CloudSource(realtime=realtime)
