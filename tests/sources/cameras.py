"""A fake ``cv2.VideoCapture`` that plays an image and fails as a test directs."""

from __future__ import annotations

import itertools
import threading
from types import SimpleNamespace

import cv2
import numpy as np

from livedream.sources.devices import CameraInfo

#: Finds a camera that is there.
PLUGGED = SimpleNamespace(find=lambda: CameraInfo("0", "camera 0"))


class FakeCapture:
    """Delivers noisy BGR images; after ``gives`` of them nothing, the last one forever, or it hangs."""

    def __init__(self, picture, gives=None, then="nothing", opened=True, size=None):
        self.picture, self.gives, self.then, self.opened = picture, gives, then, opened
        self.asked = {}
        self.released = 0
        self.taken = 0
        self.size = size or (picture.shape[1], picture.shape[0])
        self.hung = threading.Event()
        self.let_go = threading.Event()
        self._noise = itertools.cycle(np.random.default_rng(0).integers(0, 3, (7, 1, 1, 3), np.uint8))

    def isOpened(self):
        return self.opened

    def grab(self):
        if self.gives is not None and self.taken >= self.gives:
            if self.then == "hang":
                self.hung.set()
                self.let_go.wait(30)
                return False
            return self.then == "freeze"
        self.taken += 1
        self._shown = self.picture // 2 + next(self._noise) + np.uint8(self.taken % 100)
        return True

    def retrieve(self):
        return True, self._shown

    def get(self, prop):
        return {cv2.CAP_PROP_FPS: 30.0, cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter.fourcc(*"YUYV"))}[prop]

    def set(self, prop, value):
        self.asked[prop] = value
        return False

    def release(self):
        self.released += 1
