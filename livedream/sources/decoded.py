"""Decoding with PyAV: what videos and streams have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from livedream.frame import Image
from livedream.sources.source import fitted

if TYPE_CHECKING:
    import av


class Converter:
    """Converts decoded frames to upright RGB images; keeps the reformatter, which is expensive to create."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def image(self, frame: av.VideoFrame, size: tuple[int, int], turns: int | None = None) -> Image:
        """RGB uint8 (H, W, 3) at ``size`` (width, height), which is the size after rotation.

        ``turns`` is by how many times 90° to rotate it counter-clockwise; None: as the frame itself says.
        """
        rgb = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return fitted(np.rot90(rgb, quarter_turns(frame) if turns is None else turns), size)


def decoded_frames(
    container: av.container.InputContainer, stream: av.VideoStream, on_damage: Callable[[], None]
) -> Iterator[av.VideoFrame]:
    """The frames of ``stream``. A packet that cannot be decoded is skipped, after a call of ``on_damage``.

    Raises what PyAV raises when the file or connection itself fails.
    """
    import av

    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            on_damage()
            continue
        yield from frames


def upright_size(frame: av.VideoFrame) -> tuple[int, int]:
    """(width, height) after rotation."""
    return (frame.height, frame.width) if quarter_turns(frame) % 2 else (frame.width, frame.height)


def quarter_turns(frame: av.VideoFrame) -> int:
    """By how many times 90° to rotate the frame counter-clockwise."""
    return round(frame.rotation / 90)
