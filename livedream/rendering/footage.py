"""Films, decoded for rendering: every frame in order, at its own time, and excerpts from any frame on.

An excerpt is what a worker gets of a film: the encoded packets from the key frame before its first frame on,
in FFmpeg's own container (NUT), which takes every codec and keeps every time. So a worker needs no disk that
it shares with anybody, and decodes the very same pictures.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile, islice
from typing import TYPE_CHECKING
from zlib import crc32

from livedream.errors import SourceError, quoted
from livedream.frame import Image
from livedream.rendering.scenes import SceneChanges, Thumbnails
from livedream.resource import Resource
from livedream.sources.decoded import Converter, quarter_turns, upright_size
from livedream.sources.source import POSSIBLE, public_name, slot_size
from livedream.sources.video import estimated_count, nominal_fps, one_pass, open_video

if TYPE_CHECKING:
    import av

Size = tuple[int, int]

#: The format of an excerpt.
_CONTAINER = "nut"
#: Times are not moved when the first packet's is below zero.
_AS_IT_IS = {"avoid_negative_ts": "disabled"}
#: How much earlier than a key frame packets are looked for.
_EARLIER_S = 2


@dataclass(frozen=True)
class Decoded:
    """A frame of a film: its number, its time in seconds since the first one, whether a scene begins with it.

    ``thumbnail`` is grey uint8, small.
    """

    index: int
    time_s: float
    begins_scene: bool
    picture: av.VideoFrame
    thumbnail: Image


@dataclass(frozen=True)
class Survey:
    """What a look through a film has found.

    Of each frame: ``times_s``, in seconds since the first one; ``stamps``, the film's own times in units of
    ``unit_s``, None where it has none; ``prints``, numbers that tell one picture from another. ``keys`` are
    the numbers of the frames from which it can be decoded, ``scenes`` of those with which a scene begins.
    ``size`` is (width, height) after ``turns`` times 90°.
    """

    times_s: tuple[float, ...]
    stamps: tuple[int | None, ...]
    prints: tuple[int, ...]
    keys: tuple[int, ...]
    scenes: tuple[int, ...]
    unit_s: Fraction
    fps: float
    size: Size
    turns: int

    @property
    def whole(self) -> bool:
        """Whether every frame can be found again: each has a time stamp of its own."""
        return None not in self.stamps and len(set(self.stamps)) == len(self.stamps)


class Film(Resource):
    """A video file, opened: its frames in order, once. Raises ``SourceError``.

    ``fps`` is nominal, ``frame_count`` an estimate or None, ``size`` (width, height) that of its pictures.
    """

    def __init__(self, path: str) -> None:
        self.name = public_name(path)
        self._container, self._stream = open_video(path)
        try:
            self._stream.thread_type = "AUTO"
            self.fps = nominal_fps(self._stream)
            self.frame_count = estimated_count(self._container, self._stream, self.fps)
            self.unit_s = self._stream.time_base or Fraction(1, 1000)
            self._converter = Converter()
            self._frames = one_pass(self._container, self._stream, self.name, self.fps)
            first = next(self._frames, None)
            if first is None:
                raise SourceError(f"video {quoted(path)} has no readable frame; possible: {POSSIBLE}")
            self._first = first
            self.size = slot_size(*upright_size(first[0]), self.name)
            self.turns = quarter_turns(first[0])
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[Decoded]:
        changes, thumbnails = SceneChanges(), Thumbnails()
        for index, (picture, time_s) in enumerate(chain([self._first], self._frames)):
            thumbnail = thumbnails.of(picture)
            yield Decoded(index, time_s, changes.begins(thumbnail), picture, thumbnail)

    def image(self, frame: Decoded) -> Image:
        """The frame's picture, upright, RGB uint8 (H, W, 3)."""
        return self._converter.image(frame.picture, self.size)

    def close(self) -> None:
        self._container.close()


def survey(film: Film, frames: int | None, seen: Callable[[], object]) -> Survey:
    """Look through ``film``, or its first ``frames``; ``seen`` is called for each."""
    times_s: list[float] = []
    stamps: list[int | None] = []
    prints: list[int] = []
    keys: list[int] = []
    scenes: list[int] = []
    for frame in islice(film, frames):
        times_s.append(frame.time_s)
        stamps.append(frame.picture.pts)
        prints.append(crc32(frame.thumbnail.tobytes()))
        if frame.picture.key_frame:
            keys.append(frame.index)
        if frame.begins_scene:
            scenes.append(frame.index)
        seen()
    found = (tuple(times_s), tuple(stamps), tuple(prints), tuple(keys), tuple(scenes))
    return Survey(*found, film.unit_s, film.fps, film.size, film.turns)


def excerpt(path: str, found: Survey, first: int, end: int) -> bytes:
    """The packets that frames ``first`` to before ``end`` of a film are decoded from, as a file.

    Raises ``SourceError``.
    """
    import av

    start = found.keys[max(0, bisect_right(found.keys, first) - 1)] if found.keys else 0
    begin, last = found.stamps[start], max(stamp or 0 for stamp in found.stamps[first:end])
    file = io.BytesIO()
    container, stream = open_video(path)
    with container, av.open(file, "w", format=_CONTAINER, options=_AS_IT_IS) as out:
        copied = out.add_stream_from_template(stream, opaque=True)
        for packet in _from(container, stream, begin):
            if packet.dts is not None and packet.dts > last:
                break
            packet.stream = copied
            out.mux(packet)
    return file.getvalue()


def _from(
    container: av.container.InputContainer, stream: av.VideoStream, begin: int | None
) -> Iterator[av.Packet[av.VideoStream]]:
    """The packets from the key frame with the stamp ``begin`` on."""
    import av

    def following() -> Iterator[av.Packet[av.VideoStream]]:
        packets = (packet for packet in container.demux(stream) if packet.size)
        return dropwhile(lambda packet: packet.pts != begin, packets)

    with suppress(av.FFmpegError):
        # Some containers take a decoding time for a presentation time: ask for one that is early enough.
        container.seek(max(0, (begin or 0) - round(_EARLIER_S / (stream.time_base or 1))), stream=stream)
        found = following()
        packet = next(found, None)
        if packet is not None:
            return chain([packet], found)
    with suppress(av.FFmpegError):
        container.seek(0, stream=stream)
    return following()


class Excerpt(Resource):
    """An excerpt's frames, from ``first`` to before ``end``, with the numbers and times of the whole film.

    Raises ``SourceError`` when it does not show the film's pictures.
    """

    def __init__(self, data: bytes, found: Survey, first: int, end: int) -> None:
        import av

        self._survey, self._end = found, end
        self._wanted = {found.stamps[n]: n for n in range(first, end)}
        self._container = av.open(io.BytesIO(data), "r", format=_CONTAINER)
        self._stream = self._container.streams.video[0]
        self._stream.thread_count = 1
        self._converter = Converter()

    def __iter__(self) -> Iterator[Decoded]:
        found, thumbnails, scenes = self._survey, Thumbnails(), set(self._survey.scenes)
        looked = False
        for picture, _ in one_pass(self._container, self._stream, "an excerpt", found.fps):
            stamp = Fraction(picture.pts or 0) * (picture.time_base or 1) / found.unit_s
            index = self._wanted.get(round(stamp))
            if index is None:
                continue
            thumbnail = thumbnails.of(picture)
            if not looked and crc32(thumbnail.tobytes()) != found.prints[index]:
                raise SourceError(
                    f"frame {index} of the video looks different when decoding begins at its key frame;"
                    " possible: without --workers and --ray"
                )
            looked = True
            yield Decoded(index, found.times_s[index], index in scenes, picture, thumbnail)

    def image(self, frame: Decoded) -> Image:
        """The frame's picture, upright, RGB uint8 (H, W, 3)."""
        return self._converter.image(frame.picture, self._survey.size, self._survey.turns)

    def close(self) -> None:
        self._container.close()
