"""The colours of a dream: smooth, and as strong as the camera's own allow.

A network's colours change from pixel to pixel, which on a wall looks like coloured noise; forms are in the
luminance. So chroma, a colour minus its luminance, is kept at half the working size, and smoothed there. Then
it is held back where the camera has none, in the dark, near white, and on skin and wood, where other hues
look like stains. The luminance of a dream is never touched.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.frame import Array, Image, resize

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: A colour minus its luminance.
CHROMA = np.eye(3, dtype=np.float32) - LUMA
_GREY, _SUM = np.stack([LUMA] * 3), np.ones((1, 3), np.float32)
#: Chroma, in levels, that a dream has room for on a grey surface; on a coloured one its chroma comes on top.
ROOM_LEVELS = 10.0
#: The chroma of skin of any colour, and of wood, has this direction. From the first cosine on a colour is
#: taken for that to some extent, from the second on fully, and what comes on top is only this fraction.
WARM = np.array([0.782, -0.251, -0.571], np.float32)
WARM_COSINES = 0.6, 0.85
WARM_ROOM = 0.25
#: Chroma of so many levels may just as well be noise.
NOISE_LEVELS = 8.0
#: The room shrinks from the first of these luminances down to black, and from the second up to white, to the
#: fractions beside them.
DARK, BRIGHT = (110.0, 0.12), (210.0, 0.4)


def coloured(residual: Array, frame: Image, restraint: float, gain: float, feedback: float = 0.0) -> Array:
    """``residual`` (h, w, 3) in levels with its chroma smoothed, and held back by ``restraint`` (0..1).

    ``frame`` is what it is shown over, RGB uint8 (h, w, 3), and ``gain`` how strongly. By ``feedback`` (0..1)
    the two are an image of their own, whose colours are smoothed instead.
    """
    height, width = residual.shape[:2]
    half = max(1, width // 2), max(1, height // 2)
    own = cv2.addWeighted(residual, 1, frame, feedback, 0, dtype=cv2.CV_32F) if feedback else residual
    chroma: Array = cv2.resize(own, half, interpolation=cv2.INTER_LINEAR)  # at half the size the mean of four
    chroma = cv2.transform(cv2.GaussianBlur(chroma, (3, 3), 0), CHROMA)
    if restraint > 0:
        amount = gain * np.sqrt(cv2.transform(chroma * chroma, _SUM))
        amount /= amount + room(resize(frame, *half))
        kept = 1 - np.float32(restraint) * amount
        chroma = cv2.multiply(chroma, cv2.merge([kept, kept, kept]))
    chroma = cv2.resize(chroma, (width, height), interpolation=cv2.INTER_LINEAR)
    if feedback:
        hidden = cv2.transform(frame.astype(np.float32), CHROMA * np.float32(feedback))
        chroma = cv2.subtract(chroma, hidden)
    return cv2.add(chroma, cv2.transform(residual, _GREY), dst=chroma)


def room(frame: Image) -> Array:
    """How much chroma a dream over ``frame`` (RGB uint8 (h, w, 3)) has room for: (h, w) in levels."""
    seen = frame.astype(np.float32)
    luminance = cv2.transform(seen, LUMA[None])
    own = cv2.transform(seen, CHROMA)
    strength = np.sqrt(cv2.transform(own * own, _SUM))
    cosine = cv2.transform(own, WARM[None]) / (strength + np.float32(NOISE_LEVELS))
    low, high = WARM_COSINES
    warm = np.clip((cosine - np.float32(low)) / np.float32(high - low), 0, 1)
    found = ROOM_LEVELS + strength * (1 - np.float32(1 - WARM_ROOM) * warm)
    found *= np.clip(luminance / np.float32(DARK[0]), DARK[1], 1)
    glare = np.clip((luminance - np.float32(BRIGHT[0])) / np.float32(255 - BRIGHT[0]), 0, 1)
    found *= 1 - np.float32(1 - BRIGHT[1]) * glare
    return found
