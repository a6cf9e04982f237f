"""Joins encoded shots into one file, with the sound of the film: packets are copied, nothing is encoded."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livedream.errors import OutputError
from livedream.sources.video import open_video

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

#: A finished file is written whole: players need not read its end first.
_OPTIONS = {".mp4": {"movflags": "faststart"}, ".mov": {"movflags": "faststart"}, ".mkv": {}}
_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
#: A file has packets of the same times close together.
_AHEAD_S = 0.5
#: Decoders of sound are set going by a packet that comes before the first picture. Matroska would begin with
#: it, and show the pictures later.
_PRIMING_S = 0.1


@dataclass(frozen=True)
class Film:
    """Where the sound is: in the file ``path``, whose pictures last from ``start_s`` on its clock for
    ``end_s`` seconds."""

    path: str
    start_s: float
    end_s: float


def join(parts: Sequence[tuple[Path, float]], output: Path, film: Film) -> int:
    """Write ``output`` from videos and the seconds of the film at which each begins; how many frames it has.

    The sound of ``film`` is copied as far as the container can hold it. An ``output`` that is there is
    replaced when the new one is complete. Raises ``OutputError`` and ``SourceError``.
    """
    import av

    scratch = output.with_name(f".{output.name}.part{output.suffix}")
    options = _OPTIONS[output.suffix.lower()]
    try:
        with av.open(
            str(scratch), "w", format=_MUXERS[output.suffix.lower()], container_options=options
        ) as out:
            count = _Joining(out, parts, film).run()
        os.replace(scratch, output)
    except (av.FFmpegError, OSError) as error:
        raise OutputError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)
    return count


class _Joining:
    """Copies packets: pictures in the order of the parts, sound as their times come."""

    def __init__(self, out: OutputContainer, parts: Sequence[tuple[Path, float]], film: Film) -> None:
        import av

        self._out, self._parts, self._end_s = out, parts, film.end_s
        with av.open(str(parts[0][0])) as first:
            self._video = out.add_stream_from_template(first.streams.video[0], opaque=True)
            self._header = bytes(first.streams.video[0].codec_context.extradata or b"")
        self._sound = _Sound(out, film)

    def run(self) -> int:
        """Copy everything; how many frames there were."""
        try:
            return self._copy()
        finally:
            self._sound.close()

    def _copy(self) -> int:
        import av

        count = 0
        for path, start_s in self._parts:
            with av.open(str(path)) as part:
                stream = part.streams.video[0]
                if bytes(stream.codec_context.extradata or b"") != self._header:
                    raise OutputError(
                        f"{path.name} was written by another encoder than {self._parts[0][0].name};"
                        " possible: --encoder av1, which is the same on all machines"
                    )
                unit_s = stream.time_base or Fraction(1, 1000)
                shift = round(Fraction(round(start_s * 1000), 1000) / unit_s)
                for packet in part.demux(stream):
                    if not packet.size:
                        continue
                    assert packet.pts is not None
                    self._sound.copy_until(float((packet.pts + shift) * unit_s) + _AHEAD_S)
                    packet.pts += shift
                    packet.dts = None if packet.dts is None else packet.dts + shift
                    packet.stream = self._video
                    self._out.mux(packet)
                    count += 1
        self._sound.copy_until(self._end_s)
        return count


class _Sound:
    """The sound tracks of a film that the container can hold."""

    def __init__(self, out: OutputContainer, film: Film) -> None:
        self._out, self._film = out, film
        self._container, _ = open_video(film.path)
        tracks = [track for track in self._container.streams.audio if _fits(track, out.format.name)]
        self._copies = {track.index: out.add_stream_from_template(track, opaque=True) for track in tracks}
        self._packets = self._container.demux(tracks) if tracks else iter(())
        self._earliest_s = 0.0 if out.format.name == "matroska" else -_PRIMING_S
        self._next: av.Packet[Any] | None = None

    def copy_until(self, seconds: float) -> None:
        """Copy what comes before so many seconds of the film's pictures."""
        while (packet := self._next or next(self._packets, None)) is not None:
            self._next = None
            if packet.pts is None or not packet.size:
                continue
            at_s = float(packet.pts * packet.time_base) - self._film.start_s
            if at_s >= seconds and seconds < self._film.end_s:
                self._next = packet
                return
            if self._earliest_s <= at_s < self._film.end_s:
                self._copy(packet)

    def _copy(self, packet: av.Packet[Any]) -> None:
        assert packet.pts is not None
        packet.pts -= round(self._film.start_s / packet.time_base)
        packet.dts = packet.pts  # sound is never stored out of order
        packet.stream = self._copies[packet.stream.index]
        self._out.mux(packet)

    def close(self) -> None:
        self._container.close()


def _fits(track: av.AudioStream, format_name: str) -> bool:
    """Whether a container can hold a sound track as it is."""
    import av

    try:
        with av.open(io.BytesIO(), "w", format=format_name) as out:
            out.add_stream_from_template(track, opaque=True)
            out.start_encoding()
    except (av.FFmpegError, ValueError):
        return False
    return True


def left_out(film: str, suffix: str) -> str:
    """Which sound of a film a file with this suffix cannot hold, in a line; empty when there is none.

    Raises ``SourceError``.
    """
    container, _ = open_video(film)
    with container:
        missing = [
            track.codec_context.name
            for track in container.streams.audio
            if not _fits(track, _MUXERS[suffix.lower()])
        ]
    return f"{suffix} cannot hold its sound ({', '.join(missing)}); possible: .mkv" if missing else ""
