"""The mix ``ink``: a drawing in black on paper, of the camera's edges and the dream's strokes.

The light of the room is taken away, so that walls are paper in any light and only what is darker than its
surroundings draws. Then luminance becomes a tone between ink and paper.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image

#: RGB levels of the darkest and the lightest tone.
INK, PAPER = (22.0, 22.0, 30.0), (244.0, 240.0, 230.0)
#: Luminance, in levels, that is ink and that is paper; smooth between them.
DARKEST, LIGHTEST = 40.0, 205.0
#: The luminance that surroundings get, how much of their own they lose, and how large they are: a fraction of
#: the width. Less, and a dark room is a black sheet; more, and a body is an outline without a tone.
_LEVEL, _LOST, _AROUND = 215.0, 0.75, 0.075
#: Surroundings are averaged in an image this much smaller.
_COARSER = 8

_RAMP = np.clip((np.arange(256) - DARKEST) / (LIGHTEST - DARKEST), 0, 1)
_RAMP = (_RAMP * _RAMP * (3 - 2 * _RAMP))[:, None]
_TONES = (
    np.rint(np.array(INK) + (np.array(PAPER) - np.array(INK)) * _RAMP).astype(np.uint8).reshape(256, 1, 3)
)


def wash(under: Image) -> Array:
    """What takes the light of the room away from a picture of ``under`` (RGB uint8, (h, w, 3)).

    Levels (h, w) to add.
    """
    height, width = under.shape[:2]
    size = max(1, width // _COARSER), max(1, height // _COARSER)
    small = cv2.cvtColor(cv2.resize(under, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    around = cv2.GaussianBlur(small.astype(np.float32), (0, 0), max(0.5, _AROUND * size[0]))
    large = cv2.resize(around, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(_LOST * (_LEVEL - large), np.float32)


def toned(picture: Image, amount: float) -> Image:
    """``picture`` (RGB uint8, (H, W, 3)) in tones between ink and paper, by ``amount`` (0..1)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    inked = np.asarray(cv2.LUT(cv2.merge([grey] * 3), _TONES), np.uint8)
    if amount >= 1:
        return inked
    return np.asarray(cv2.addWeighted(inked, amount, picture, 1 - amount, 0), np.uint8)
