"""What is to be seen at one moment, before it is painted: a camera frame, and the dream to lay over it.

Everything here is at working size. What paints a scene at full resolution is
:class:`~livedream.stage.painting.Painter` on the processor, and
:class:`~livedream.stage.renderer.Renderer` on a graphics card; both give the same picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from livedream.frame import Array, Image
from livedream.stage.colours import coloured
from livedream.stage.ink import wash
from livedream.stage.look import Mixture, overlay_of
from livedream.vision.flow import Flow, warp_along

Size = tuple[int, int]  # (width, height) in pixels


@dataclass(frozen=True)
class Dream:
    """A residual, and how it is shown.

    ``residual`` (h, w, 3) in grey levels is warped along ``flow`` (h, w, 2), the offset in pixels of what is
    seen now in the residual's own frame (None: it is that frame's). By ``feedback`` (0..1) it stays where it
    is instead. ``under`` is the frame to show under it where the mix hides the camera, RGB uint8 (h, w, 3).
    ``alpha`` (0..1) fades it; ``restraint`` (0..1) holds its colours back, by those of ``under``.
    """

    residual: Array
    flow: Flow | None
    feedback: float
    under: Image
    mixture: Mixture
    strength: float
    alpha: float
    restraint: float = 0.0

    @property
    def ink(self) -> float:
        """How far (0..1) the picture is a drawing in ink."""
        return self.mixture.ink * min(1.0, self.strength) * self.alpha

    def wash(self) -> Array | None:
        """Levels (h, w) that take the light of the room away from a drawing in ink, None if it is none."""
        return wash(self.under) * np.float32(self.ink) if self.ink > 0 else None

    def layer(self) -> tuple[Array, Array | None]:
        """The layer (h, w, 3) to add to the camera, and the camera's weight (h, w), or None for 1."""
        warped = self.residual
        if self.flow is not None:
            warped = warp_along(self.residual, self.flow)
            if self.feedback:
                warped = cv2.addWeighted(warped, 1 - self.feedback, self.residual, self.feedback, 0)
        if self.mixture.saturation > 0:
            gain = self.strength * self.alpha
            warped = coloured(warped, self.under, self.restraint, gain, self.feedback)
        layer, keep = overlay_of(warped, self.under, self.mixture, self.strength, self.alpha)
        paler = self.wash()
        return (layer if paler is None else layer + paler[..., None]), keep


@dataclass
class Scene:
    """A camera frame and a dream.

    ``image`` is the visible part of the frame, RGB uint8 (H, W, 3) at the camera's own size; ``size`` is that
    of the finished picture; ``mirror`` swaps left and right of it all.
    """

    image: Image
    size: Size
    mirror: bool = False
    dream: Dream | None = None
    paint: Callable[[Scene], Image] | None = None
    _picture: Image | None = field(default=None, repr=False)

    def picture(self) -> Image:
        """The picture, RGB uint8 (H, W, 3): painted on the processor, once."""
        if self._picture is None:
            self._picture = self.image if self.paint is None else self.paint(self)
        return self._picture


def still(picture: Image) -> Scene:
    """The scene of a finished picture."""
    return Scene(picture, (picture.shape[1], picture.shape[0]))


def black(size: Size) -> Scene:
    """A scene of nothing."""
    return still(np.zeros((size[1], size[0], 3), np.uint8))
