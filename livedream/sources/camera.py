"""Cameras, through OpenCV: the one library that reaches them on Linux, Windows and macOS."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2

from livedream.errors import SourceError
from livedream.frame import Array, Frame
from livedream.sources.source import Clock, Source, fitted, public_name, slot_size

log = logging.getLogger(__name__)

_BY_ID = Path("/dev/v4l/by-id")
_SYSFS = Path("/sys/class/video4linux")
_PROBED = 4  # indices tried where a system has no list of its cameras


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, prop: int, /) -> float: ...
    def set(self, prop: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


@dataclass(frozen=True)
class CameraInfo:
    """A camera that was found: ``spec`` is what opens it, ``name`` what its maker calls it."""

    spec: str
    name: str


class Camera(Source):
    """A camera by index (``"0"``) or device path; Motion-JPEG is asked for, as raw video over USB is slow.

    Each frame is the newest one (the driver keeps no queue), stamped when it was taken from the driver.
    What was asked for and what the camera really gives is logged. Opening and reading may hang for ever
    in the driver: the mirror does both in a process that can be killed. Raises ``SourceError`` when there
    is no such camera or it gives no picture.
    """

    kind = "camera"

    def __init__(
        self,
        device: str,
        *,
        width: int = 1280,
        height: int = 720,
        fps: float = 30.0,
        capture: Callable[[str], Capture] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = public_name(device)
        self._clock = clock
        self._capture = (capture or _open_device)(device)
        self._closed = False
        if not self._capture.isOpened():
            self.close()
            raise SourceError(f"{self.name} cannot be opened: in use, or not allowed; {_cameras_found()}")
        # The format first: many drivers offer large sizes at full rate only in Motion-JPEG.
        self._capture.set(cv2.CAP_PROP_FOURCC, _MJPG)
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_FPS, fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None
        self._index = 0
        try:
            self._first: Frame | None = self._read()
        except SourceError:
            self.close()
            raise
        log.info(
            "%s: asked %d×%d at %g MJPG, got %d×%d at %g %s",
            *(self.name, width, height, fps, *self._source_size, self.fps or 0.0),
            _letters(self._capture.get(cv2.CAP_PROP_FOURCC)),
        )

    def __next__(self) -> Frame:
        if self._closed:
            raise StopIteration
        frame, self._first = self._first, None
        return frame or self._read()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._capture.release()

    def _read(self) -> Frame:
        taken = self._capture.grab()
        time_s = self._clock()  # before the picture is decoded
        good, bgr = self._capture.retrieve() if taken else (False, None)
        if not good or bgr is None or not bgr.size:
            raise SourceError(f"{self.name} gives no picture: unplugged or in use; {_cameras_found()}")
        frame = Frame(fitted(_rgb(bgr), self._fit(bgr)), self._index, time_s)
        self._index += 1
        return frame

    _source_size = (0, 0)

    def _fit(self, bgr: Array) -> tuple[int, int]:
        size = bgr.shape[1], bgr.shape[0]
        if size != self._source_size:
            self._source_size, self.size = size, slot_size(*size, self.name)
        return self.size


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine. Linux lists them; elsewhere the first few indices are opened to see."""
    if sys.platform.startswith("linux"):
        return linux_cameras(_SYSFS, _BY_ID)
    found = []
    for index in range(_PROBED):
        capture = _open_device(str(index))
        if capture.isOpened():
            found.append(CameraInfo(str(index), f"camera {index}"))
        capture.release()
    return found


def first_camera() -> str:
    """The spec of the camera to take when none was named: the first that is listed, else number 0."""
    listed = linux_cameras(_SYSFS, _BY_ID) if sys.platform.startswith("linux") else []
    return listed[0].spec if listed else "0"


def linux_cameras(sysfs: Path, by_id: Path) -> list[CameraInfo]:
    """The cameras that the kernel lists in ``sysfs``, by their lasting names in ``by_id`` if they have any.

    A camera has further device nodes (for metadata); only the first of each is a picture.
    """
    lasting = {link.resolve().name: link for link in sorted(by_id.iterdir())} if by_id.is_dir() else {}
    found = []
    for node in sorted(sysfs.glob("video*"), key=lambda path: int(path.name.removeprefix("video") or 0)):
        try:
            if int((node / "index").read_text()) == 0:
                spec = lasting.get(node.name, Path("/dev") / node.name)
                found.append(CameraInfo(str(spec), (node / "name").read_text().strip()))
        except (OSError, ValueError):  # unplugged while we looked
            continue
    return found


def quiet_drivers() -> None:
    """Keep OpenCV's warnings off the terminal: without a camera it prints dozens. We say it in one line."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _open_device(device: str) -> Capture:
    quiet_drivers()
    if sys.platform.startswith("linux"):
        path = f"/dev/video{device}" if device.isdecimal() else device
        if not os.path.exists(path):
            raise SourceError(f"camera {device!r}: there is no {path}; {_cameras_found()}")
        return cv2.VideoCapture(os.path.realpath(path), cv2.CAP_V4L2)
    if not device.isdecimal():
        raise SourceError(f"camera {device!r}: this system knows cameras by number only; possible: 0, 1, …")
    if sys.platform == "win32":
        capture = cv2.VideoCapture(int(device), cv2.CAP_MSMF)
        return capture if capture.isOpened() else cv2.VideoCapture(int(device), cv2.CAP_DSHOW)
    if sys.platform == "darwin":
        return cv2.VideoCapture(int(device), cv2.CAP_AVFOUNDATION)
    return cv2.VideoCapture(int(device))


def _cameras_found() -> str:
    if not sys.platform.startswith("linux"):  # looking would open devices
        return "possible: another camera (0, 1, …), or clouds"
    found = ", ".join(f"{camera.spec} ({camera.name})" for camera in list_cameras())
    return f"cameras found: {found or 'none'}; possible: one of these, or clouds"


def _rgb(bgr: Array) -> Array:
    """RGB (H, W, 3) of what a driver gives: BGR, or grey from an infrared camera."""
    grey = bgr.ndim == 2 or bgr.shape[2] == 1
    return cv2.cvtColor(bgr, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB)


_MJPG = cv2.VideoWriter.fourcc(*"MJPG")


def _letters(fourcc: float) -> str:
    return int(fourcc).to_bytes(4, "little", signed=fourcc < 0).decode("ascii", "replace").strip("\0 ") or "?"
