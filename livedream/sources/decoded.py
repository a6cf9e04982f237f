"""From PyAV's decoded frames to our pictures: what videos and streams have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from livedream.frame import Image
from livedream.sources.source import fitted

if TYPE_CHECKING:
    import av


class Decoded:
    """Turns decoded frames into upright RGB pictures; keeps the converter, whose set-up is what costs."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def image(self, picture: av.VideoFrame, size: tuple[int, int]) -> Image:
        """RGB uint8 (H, W, 3) of (width, height) ``size``, which is a size after the rotation."""
        rgb = self._reformatter.reformat(picture, format="rgb24").to_ndarray()
        return fitted(np.rot90(rgb, _quarter_turns(picture)), size)


def upright_size(picture: av.VideoFrame) -> tuple[int, int]:
    """(width, height) after the rotation."""
    return (picture.height, picture.width) if _quarter_turns(picture) % 2 else (picture.width, picture.height)


def _quarter_turns(picture: av.VideoFrame) -> int:
    """How often the picture is to be turned by 90° against the clock."""
    return round(picture.rotation / 90)
