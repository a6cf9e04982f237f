"""Cameras, through OpenCV, which supports Linux, Windows and macOS."""

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

from livedream.errors import SourceError, quoted
from livedream.frame import Array, Image
from livedream.sources.source import Clock, LiveSource, fitted, public_name

log = logging.getLogger(__name__)

_BY_ID = Path("/dev/v4l/by-id")
_SYSFS = Path("/sys/class/video4linux")
_PROBED = 4  # indices to try on a system that does not list its cameras


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def get(self, prop: int, /) -> float: ...
    def set(self, prop: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


@dataclass(frozen=True)
class CameraInfo:
    """A camera that was found: ``spec`` opens it, ``name`` is its product name."""

    spec: str
    name: str


class Camera(LiveSource):
    """A camera by index (``"0"``) or device path.

    Requests Motion-JPEG, because raw video over USB is slow, and logs the format it gets. Each frame is the
    newest one (the driver keeps no queue), stamped when it was grabbed. Opening and reading may hang in the
    driver forever, so the mirror does both in a process that can be killed. Raises ``SourceError`` if there
    is no such camera or it delivers no frame.
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
        super().__init__(public_name(device))
        self._device = device
        self._clock = clock
        self._capture = (capture or _open_device)(device)
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
        grabbed = self._capture.grab()
        time_s = self._clock()  # before decoding
        good, bgr = self._capture.retrieve() if grabbed else (False, None)
        if not good or bgr is None or not bgr.size:
            raise self._error("delivers no frame: unplugged or in use")
        return fitted(_rgb(bgr), self._size_for(bgr.shape[1], bgr.shape[0])), time_s

    def _release(self) -> None:
        self._capture.release()

    def _error(self, found: str) -> SourceError:
        return SourceError(f"camera {quoted(self._device)} {found}; {_cameras_found()}")


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine: as Linux lists them; elsewhere the first few indices that open."""
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
    """The spec of the default camera: the first that the system lists, else camera 0."""
    listed = linux_cameras(_SYSFS, _BY_ID) if sys.platform.startswith("linux") else []
    return listed[0].spec if listed else "0"


def linux_cameras(sysfs: Path, by_id: Path) -> list[CameraInfo]:
    """The cameras that the kernel lists in ``sysfs``, by persistent name from ``by_id`` where there is one.

    A camera may have several device nodes; only the first delivers video, the others metadata.
    """
    persistent = {link.resolve().name: link for link in sorted(by_id.iterdir())} if by_id.is_dir() else {}
    found = []
    for node in sorted(sysfs.glob("video*"), key=lambda path: int(path.name.removeprefix("video") or 0)):
        try:
            if int((node / "index").read_text()) == 0:
                spec = persistent.get(node.name, Path("/dev") / node.name)
                found.append(CameraInfo(str(spec), (node / "name").read_text().strip()))
        except (OSError, ValueError):  # unplugged meanwhile
            continue
    return found


def quiet_drivers() -> None:
    """Silence OpenCV's warnings: without a camera it prints dozens, where one line will do."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _open_device(device: str) -> Capture:
    quiet_drivers()
    if sys.platform.startswith("linux"):
        path = f"/dev/video{device}" if device.isdecimal() else device
        if not os.path.exists(path):
            raise SourceError(f"camera {quoted(device)}: {quoted(path)} does not exist; {_cameras_found()}")
        return cv2.VideoCapture(os.path.realpath(path), cv2.CAP_V4L2)
    if not device.isdecimal():
        raise SourceError(f"camera {quoted(device)}: only numbers work on this system; possible: 0, 1, …")
    if sys.platform == "win32":
        capture = cv2.VideoCapture(int(device), cv2.CAP_MSMF)
        return capture if capture.isOpened() else cv2.VideoCapture(int(device), cv2.CAP_DSHOW)
    if sys.platform == "darwin":
        return cv2.VideoCapture(int(device), cv2.CAP_AVFOUNDATION)
    return cv2.VideoCapture(int(device))


def _cameras_found() -> str:
    if not sys.platform.startswith("linux"):  # listing would open devices
        return "possible: another camera (0, 1, …), or clouds"
    found = ", ".join(f"{camera.spec} ({camera.name})" for camera in list_cameras())
    return f"cameras found: {found or 'none'}; possible: one of these, or clouds"


def _rgb(bgr: Array) -> Array:
    """RGB (H, W, 3) from a driver's BGR, or from an infrared camera's grey."""
    grey = bgr.ndim == 2 or bgr.shape[2] == 1
    return cv2.cvtColor(bgr, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGR2RGB)


_MJPG = cv2.VideoWriter.fourcc(*"MJPG")


def _letters(fourcc: float) -> str:
    return int(fourcc).to_bytes(4, "little", signed=fourcc < 0).decode("ascii", "replace").strip("\0 ") or "?"
