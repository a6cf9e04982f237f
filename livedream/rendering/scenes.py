"""Where a film's scenes begin: at cuts, which leave hardly anything of the picture where it was.

Thumbnails of one frame and the next are compared without their mean brightness, so that neither a lamp nor a
camera's exposure is a cut. A dream does not outlive a cut: its flow fails, and it begins anew by itself.
What dissolves, and what jumps within the same room, is one scene: there a part of the dream goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from livedream.frame import Array, Image

if TYPE_CHECKING:
    import av

#: Width and height of the thumbnails.
_SIZE = 32, 18
#: A cut changes a thumbnail by more levels than the first, in the mean, and leaves less than the second of
#: its structure (the correlation of both). Within shots of webcams and of a camera in a street the structure
#: never fell below 0.87, and the change exceeded 12 levels once in a hundred cuts; jumps within one room,
#: from one person to the next, left 0.49 to 0.9.
_CHANGE_LEVELS, _STRUCTURE = 15.0, 0.45
#: A picture with less contrast than this, in levels, has no structure.
_NOISE_LEVELS = 6.0


class Thumbnails:
    """Makes thumbnails of decoded frames; keeps the scaler, which is expensive to create."""

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def of(self, picture: av.VideoFrame) -> Image:
        """A thumbnail, grey uint8 (18, 32)."""
        from av.video.reformatter import Interpolation

        width, height = _SIZE
        small = self._reformatter.reformat(
            picture, width=width, height=height, format="gray", interpolation=Interpolation.AREA
        )
        return np.ascontiguousarray(small.to_ndarray(), np.uint8)


class SceneChanges:
    """Takes thumbnail after thumbnail of one film."""

    def __init__(self) -> None:
        self._before: Array | None = None

    def begins(self, thumbnail: Image) -> bool:
        """Whether a scene begins with this frame, grey uint8 (h, w); with the first one does."""
        now = thumbnail.astype(np.float32)
        now -= now.mean()
        before, self._before = self._before, now
        return before is None or is_cut(before, now)


def is_cut(before: Array, now: Array) -> bool:
    """Whether two thumbnails (h, w) without their means show different scenes."""
    if float(np.abs(now - before).mean()) < _CHANGE_LEVELS:
        return False
    structure = float((before * now).mean()) + _NOISE_LEVELS**2
    return structure < _STRUCTURE * (float(before.std() * now.std()) + _NOISE_LEVELS**2)
