"""The loop of the live programs before this one, read plainly: one step, one octave, Farnebäck's flow.

The last dream moves along the flow, a little of the camera is mixed in, and one normalised step follows, on a
randomly shifted image. Source: TheJamesH/Realtime-DeepDream (``rtdd_webcam.py``), whose values these are; the
loop is written anew. nya0429/ofxDeepDream does much the same.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from livedream.frame import Array, Image
from livedream.vision.flow import grey

#: How much of the camera is mixed in with each frame; the length of a step in levels of 255, and how much of
#: it is taken over.
_CAMERA, _STEP, _TAKEN = np.float32(0.1), np.float32(2.0), np.float32(0.4)
_FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)

#: An image (h, w, 3) in [0, 1] to the direction that raises the objective, of the same shape.
Gradient = Callable[[Array], Array]


class ForerunnerLoop:
    """Dreams on one frame after another; the state is the last dream."""

    def __init__(self, gradient: Gradient, seed: int = 0) -> None:
        self._gradient = gradient
        self._rng = np.random.default_rng(seed)
        self._dream: Array | None = None
        self._grey: Image | None = None

    def __call__(self, frame: Image) -> Image:
        """The dream after one step on ``frame``; both RGB uint8 (h, w, 3)."""
        now, camera = grey(frame), frame.astype(np.float32) / 255
        if self._dream is None or self._grey is None:
            dream = camera
        else:
            # From each pixel of this frame to where it was in the last.
            flow = cv2.calcOpticalFlowFarneback(now, self._grey, None, *_FARNEBACK)  # type: ignore[call-overload]
            rows, columns = np.indices(now.shape, np.float32)
            moved = cv2.remap(
                self._dream,
                columns + flow[..., 0],
                rows + flow[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            dream = moved + _CAMERA * (camera - moved)
        shift = tuple(self._rng.integers(0, side) for side in now.shape)
        direction = np.roll(self._gradient(np.roll(dream, shift, (0, 1))), (-shift[0], -shift[1]), (0, 1))
        self._dream, self._grey = np.clip(dream + _TAKEN * _STEP / 255 * direction, 0, 1), now
        return np.asarray((self._dream * 255).round(), np.uint8)
