"""The show's own picture while the camera process makes none: its last one, which dissolves into clouds."""

from __future__ import annotations

import logging
import threading

import cv2
import numpy as np

from livedream.curves import smoothstep
from livedream.frame import Image, resize
from livedream.ipc.slots import Slot
from livedream.sources.clouds import Clouds
from livedream.timing import Pacer

log = logging.getLogger(__name__)

#: Enough for a sky; it takes 2 ms a picture from the show.
_HZ = 15.0
#: The clouds are made at this size, the picture at no more than this.
_CLOUDS_SIZE, _MOST_PX = (320, 180), 1280
#: The last picture stays for a moment, as a new process needs hardly longer; then it dissolves.
STILL_S, _DISSOLVE_S = 3.0, 2.0


class StandIn:
    """Fills the slot of the frames in place of the camera process, which must not do so at the same time.

    The dream goes on on these pictures. Times are ``now``, in seconds of the clock of all processes.
    """

    def __init__(self, frames: Slot) -> None:
        self._frames = frames
        self._pace = Pacer(_HZ)
        self._clouds: Clouds | None = None
        self._making: threading.Thread | None = None
        self._last: Image | None = None  # the camera's
        self._index = 0  # the newest frame's
        self._since_s: float | None = None  # since when there has been none

    @property
    def active(self) -> bool:
        """Whether the show makes the pictures."""
        return self._since_s is not None

    def dissolved(self, now: float) -> bool:
        """Whether clouds can be seen."""
        return self._since_s is not None and now - self._since_s > STILL_S

    def step(self, now: float, gone: bool) -> None:
        """Publish what is due while the camera process is ``gone``."""
        if not gone:
            self._since_s = self._last = None
            return
        if self._since_s is None:
            log.warning("no sign of the camera process; the show makes its own pictures")
            self._since_s, newest = now, self._frames.read()
            if newest is not None:
                self._last, self._index = _small(newest.array), newest.index
        if self._clouds is None and self._making is None:
            self._making = threading.Thread(target=self._make_clouds, name="clouds", daemon=True)
            self._making.start()
        image = self._image(now) if self._pace.due(now) else None
        if image is None or image.nbytes > self._frames.capacity_bytes:
            return
        self._index += 1
        self._frames.publish(image, index=self._index, time_s=now)

    def _make_clouds(self) -> None:
        self._clouds = Clouds(_CLOUDS_SIZE)

    def _image(self, now: float) -> Image | None:
        assert self._since_s is not None
        last, clouds = self._last, self._clouds
        share = 1.0 if last is None else smoothstep((now - self._since_s - STILL_S) / _DISSOLVE_S)
        if clouds is None or share == 0:
            return last
        height, width = _CLOUDS_SIZE[::-1] if last is None else last.shape[:2]
        sky = resize(clouds.image(now), width, height)
        if last is None or share == 1:
            return sky
        return np.asarray(cv2.addWeighted(sky, share, last, 1 - share, 0), np.uint8)


def _small(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = _MOST_PX / max(height, width)
    return image if scale >= 1 else resize(image, round(width * scale), round(height * scale))
