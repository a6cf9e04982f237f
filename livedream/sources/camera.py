"""Cameras, through OpenCV, which supports Linux, Windows and macOS."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np

from livedream.errors import SourceError, quoted
from livedream.frame import Array, Image
from livedream.sources.devices import CameraInfo, Finder, cameras_found, list_cameras
from livedream.sources.source import AbsentError, Clock, LiveSource, fitted

log = logging.getLogger(__name__)

#: Whether the device is still there is looked at this often: some drivers repeat the last frame for ever.
_LOOK_S = 0.5
#: Frames that arrive damaged are skipped for this long.
_DAMAGED_S = 1.0
_PROBED = 4  # numbers to try on a system that does not list its cameras


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, prop: int, /) -> float: ...
    def set(self, prop: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


class Camera(LiveSource):
    """A camera: what ``device`` may be, says :class:`~livedream.sources.devices.Finder`.

    Requests Motion-JPEG, because raw video over USB is slow, and logs the format it gets. Each frame is the
    newest one (the driver keeps no queue), stamped when it was grabbed. Opening and reading may hang in the
    driver forever, so the mirror does both in a process that can be killed. A damaged frame is skipped.
    ``finder`` finds the same camera that an earlier one was. ``node`` is the device that was opened. Raises
    ``AbsentError`` if there is no such camera, ``SourceError`` if it delivers no frame.
    """

    kind = "camera"

    def __init__(
        self,
        device: str,
        *,
        width: int = 1280,
        height: int = 720,
        fps: float = 30.0,
        finder: Finder | None = None,
        capture: Callable[[str], Capture] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        found = (finder or Finder(device)).find()
        super().__init__(found.name)
        self.node = found.node
        self._device = device
        self._clock = clock
        self._looked_s = clock()
        self._capture = (capture or _open_device)(found.node)
        if not self._capture.isOpened():
            self.close()
            raise self._error("cannot be opened: in use, or permission denied")
        # The format first: many drivers deliver large frames at full rate only as Motion-JPEG.
        self._capture.set(cv2.CAP_PROP_FOURCC, _MJPG)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_FPS, fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None
        self._read_first()
        log.info(
            "%s: requested %d×%d MJPG at %g fps, got %d×%d %s at %g fps",
            *(self.name, width, height, fps, *self._native_size),
            _letters(self._capture.get(cv2.CAP_PROP_FOURCC)),
            self.fps or 0.0,
        )

    def _read(self) -> tuple[Image, float]:
        began_s: float | None = None
        while True:
            self._require_present()
            grabbed = self._capture.grab()
            time_s = self._clock()  # before decoding
            good, bgr = self._capture.retrieve() if grabbed else (False, None)
            if good and bgr is not None and bgr.size and bgr.dtype == np.uint8:
                return fitted(_rgb(bgr), self._size_for(bgr.shape[1], bgr.shape[0])), time_s
            began_s = time_s if began_s is None else began_s
            if not grabbed or time_s - began_s > _DAMAGED_S:
                raise self._error("delivers no frame: unplugged or in use")

    def _require_present(self) -> None:
        now = self._clock()
        if now - self._looked_s >= _LOOK_S:
            self._looked_s = now
            if self.node.startswith("/") and not os.path.exists(self.node):
                raise AbsentError(f"camera {quoted(self._device)} is not there any more")

    def _release(self) -> None:
        self._capture.release()

    def _error(self, found: str) -> SourceError:
        return SourceError(f"camera {quoted(self._device)} {found}; {cameras_found(list_cameras())}")


def quiet_drivers() -> None:
    """Silence OpenCV's warnings: without a camera it prints dozens, where one line will do."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def probed_cameras() -> list[CameraInfo]:
    """The first few numbers that open, on a system that does not list its cameras."""
    found: list[CameraInfo] = []
    for number in map(str, () if sys.platform.startswith("linux") else range(_PROBED)):
        capture = _open_device(number)
        if capture.isOpened():
            found.append(CameraInfo(number, f"camera {number}"))
        capture.release()
    return found


def _open_device(node: str) -> Capture:
    quiet_drivers()
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")  # s without a frame, instead of 10
    if sys.platform.startswith("linux"):
        return cv2.VideoCapture(node, cv2.CAP_V4L2)
    if sys.platform == "win32":
        capture = cv2.VideoCapture(int(node), cv2.CAP_MSMF)
        return capture if capture.isOpened() else cv2.VideoCapture(int(node), cv2.CAP_DSHOW)
    if sys.platform == "darwin":
        return cv2.VideoCapture(int(node), cv2.CAP_AVFOUNDATION)
    return cv2.VideoCapture(int(node))


def _rgb(bgr: Array) -> Array:
    """RGB (H, W, 3) from a driver's BGR, or from an infrared camera's grey."""
    grey = bgr.ndim == 2 or bgr.shape[2] == 1
    return cv2.cvtColor(bgr, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB)


_MJPG = cv2.VideoWriter.fourcc(*"MJPG")


def _letters(fourcc: float) -> str:
    return int(fourcc).to_bytes(4, "little", signed=fourcc < 0).decode("ascii", "replace").strip("\0 ") or "?"
