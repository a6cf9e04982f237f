"""How the picture moved since the last tick, for a dream that lives on a device.

OpenCV finds the optical flow on the host, and from it follow more maps that the dream needs there and here:
what to keep, how new the dream is, where the picture is plain, and how long steps are. The tick on the device
only uses them. Its images, residual and momentum, never come back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livedream.curves import decay
from livedream.dream.feedback import NOVELTY_S, age, fades, movement
from livedream.dream.resampling import same_view
from livedream.dream.visitors import Visitors
from livedream.frame import Array, Image, resize
from livedream.settings import Settings
from livedream.vision.flow import FlowEstimator, grey
from livedream.vision.plainness import plainness

#: In larger pictures, motion is found at a half, a third … of their size, the first that is at most this. At
#: 1280 pixels it takes 9 ms of a core instead of 60, and explains two thirds of what moves as well.
_FULL_SIZE_PX = 448
#: How many maps a :class:`Move` has.
MAPS = 7


@dataclass(frozen=True)
class Move:
    """What the device needs of one tick's motion.

    ``maps`` is float32 (7, h, w), or a half, a third … of that: where each pixel was before, right and down,
    in pixels of the picture at full size; how much of the dream's momentum to keep there; how new the dream
    is; how plain the frame is; how much of the residual to keep; how much longer steps are.
    ``fades`` is what time leaves of the residual, by octaves of frequency; ``first``: there was no frame
    before. Where it had another size, ``last`` is that frame at the new one, or ``other_view``: it showed
    something else.
    """

    maps: Array
    fades: tuple[float, ...]
    first: bool = False
    last: Image | None = None
    other_view: bool = False


class Motion:
    """Follows the frames; see :class:`livedream.dream.feedback.Feedback`, whose arithmetic this is."""

    def __init__(self) -> None:
        self._flow = FlowEstimator()
        self._visitors = Visitors()
        self._frame: Image | None = None
        self._grey: Image | None = None
        self._frame_age_s = 0.0
        self.novelty: Array = np.zeros((0, 0), np.float32)
        self._plain: Array = self.novelty

    def seed(self, frame: Image) -> None:
        """Begin with ``frame``, whose dream has settled."""
        now = _analysed(grey(frame))
        self._frame, self._grey = frame, now
        self.novelty = np.zeros(now.shape, np.float32)
        self._plain = plainness(now)

    def follow(self, frame: Image, settings: Settings, elapsed_s: float) -> Move:
        """The motion from the last frame to ``frame`` (RGB uint8 (h, w, 3)), ``elapsed_s`` later."""
        size, before, last = frame.shape[:2], self._grey, None
        now = _analysed(grey(frame))
        self._frame_age_s += elapsed_s
        self._visitors.see(now, settings, elapsed_s)
        new = np.float32(decay(NOVELTY_S, elapsed_s / 2))
        flow: Array = np.zeros((*now.shape, 2), np.float32)
        keep: Array = np.ones(now.shape, np.float32)
        other_view = False
        if self._frame is not None and self._frame.shape[:2] != size:
            self.novelty = resize(self.novelty, now.shape[1], now.shape[0]).clip(0, 1)
            last = same_view(self._frame, size[1], size[0])
            before, other_view = None if last is None else _analysed(grey(last)), last is None
        if self._frame is None:
            self.novelty = np.full(now.shape, new)
        elif before is None:
            self.novelty *= np.float32(decay(NOVELTY_S, elapsed_s))
        else:
            flow, keep = self._move(now, before, settings, elapsed_s, new)
        first, known = self._frame is None, self._grey
        if known is None or not np.array_equal(now, known):
            self._frame_age_s = 0.0
            self._plain = plainness(now)
        self._frame, self._grey = frame, now
        right, down = (np.float32(size[n] / now.shape[n]) * flow[..., 1 - n] for n in (1, 0))
        lasting = keep if before is None else self._visitors.lasting(keep, settings.persistence_s, elapsed_s)
        reach = self._visitors.reach(keep)
        maps = np.stack([right, down, keep, self.novelty, self._plain, lasting, reach])
        return Move(maps, fades(settings, elapsed_s), first, last, other_view)

    def _move(
        self, now: Image, before: Image, settings: Settings, elapsed_s: float, new: np.float32
    ) -> tuple[Array, Array]:
        flow, keep, moving = movement(
            self._flow, self._visitors, now, before, settings, elapsed_s, self._frame_age_s
        )
        if flow.any():
            self.novelty = self._flow.warp(self.novelty, flow)
        age(self.novelty, keep, moving, elapsed_s, new)
        return flow, keep


def _analysed(image: Image) -> Image:
    """The picture in which motion is looked for."""
    height, width = image.shape
    parts = -(-max(height, width) // _FULL_SIZE_PX)
    return resize(image, round(width / parts), round(height / parts))
