"""The cameras of this machine, and how to find one again wherever and as whatever number it comes back.

On Linux they are read from sysfs and from the links that udev makes; nothing is opened but to ask a node
whether it captures. Elsewhere names need the package cv2-enumerate-cameras.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from livedream.errors import quoted
from livedream.sources.source import AbsentError
from livedream.sources.v4l2 import captures

_SYSFS, _DEV = Path("/sys/class/video4linux"), Path("/dev")
#: How a USB camera is asked for: maker and product as ``lsusb`` shows them, and its serial number.
_USB = re.compile(r"usb:([0-9a-f]{4}:[0-9a-f]{4})(?::(.+))?", re.IGNORECASE)
_NAMED = "camera:"


@dataclass(frozen=True)
class CameraInfo:
    """A camera that was found.

    ``node`` opens it now: a device path on Linux, elsewhere a number; ``name`` is its product name; ``usb``
    its maker and product, such as ``046d:0825``; ``serial`` its serial number; ``port`` where it is plugged
    in. ``by_id`` and ``by_path`` are udev's links. All but ``node`` and ``name`` may be empty.
    """

    node: str
    name: str
    usb: str = ""
    serial: str = ""
    port: str = ""
    by_id: str = ""
    by_path: str = ""

    def is_like(self, other: CameraInfo) -> bool:
        """Whether both may be the same camera: nothing but the port tells them apart."""
        return (self.usb, self.serial, self.name) == (other.usb, other.serial, other.name)


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine, in the system's order; elsewhere than on Linux they may be unknown."""
    return linux_cameras() if sys.platform.startswith("linux") else _enumerated()


def linux_cameras(
    sysfs: Path = _SYSFS, dev: Path = _DEV, captures: Callable[[str], bool | None] = captures
) -> list[CameraInfo]:
    """The cameras that the kernel lists. ``captures`` says whether a node delivers video, None: unknown.

    A camera has several nodes; where they cannot be asked, the first of them is it.
    """
    by_id, by_path = (_links(dev / "v4l" / folder) for folder in ("by-id", "by-path"))
    found = []
    for entry in sorted(sysfs.glob("video*"), key=lambda path: int(path.name.removeprefix("video") or 0)):
        node = dev / entry.name
        try:
            video = captures(str(node))
            if video or (video is None and int((entry / "index").read_text()) == 0):
                name = _clean((entry / "name").read_text())
                links = {"by_id": by_id.get(entry.name, ""), "by_path": by_path.get(entry.name, "")}
                found.append(CameraInfo(str(node), name, *_usb(entry / "device"), **links))
        except (OSError, ValueError):  # unplugged meanwhile
            continue
    return found


def spec_of(camera: CameraInfo, cameras: list[CameraInfo]) -> str:
    """What to give ``--source`` for ``camera``, one of ``cameras``: the first that means it and no other."""
    twins = [other for other in cameras if other != camera and other.is_like(camera)]
    if camera.by_id and not twins:
        return camera.by_id
    if camera.by_path and twins:
        return camera.by_path
    same_usb = [other for other in cameras if other != camera and other.usb == camera.usb]
    if camera.usb and not same_usb:
        return f"usb:{camera.usb}"
    if camera.usb and camera.serial and not twins:
        return f"usb:{camera.usb}:{camera.serial}"
    return camera.by_path or camera.node


def is_camera(spec: str) -> bool:
    """Whether ``spec`` asks for a camera."""
    named = spec.startswith(_NAMED) and len(spec) > len(_NAMED)
    return (
        named or spec == "auto" or spec.isdecimal() or spec.startswith("/dev/") or bool(_USB.fullmatch(spec))
    )


class Finder:
    """Finds the camera that ``spec`` means, and the same one again after it was unplugged.

    ``spec`` is ``auto`` (the first), a number, a device path, ``usb:VVVV:PPPP[:SERIAL]`` or ``camera:NAME``,
    a part of its name. What it was is remembered: a camera that has come back as another number is looked for
    before anything else is taken, and one like it in another port is not taken for it. ``known`` and
    ``twins`` (the ports of those) are what an earlier process remembered.
    """

    def __init__(
        self,
        spec: str,
        known: Mapping[str, str] | None = None,
        twins: Iterable[str] = (),
        cameras: Callable[[], list[CameraInfo]] = list_cameras,
    ) -> None:
        self._spec, self._cameras = spec, cameras
        self._camera = CameraInfo(**known) if known else None
        self.twins = tuple(twins)

    @property
    def known(self) -> dict[str, str]:
        """What is remembered of the camera, by the names of :class:`CameraInfo`."""
        return {} if self._camera is None else asdict(self._camera)

    def find(self) -> CameraInfo:
        """The camera as it is plugged in now. Raises ``AbsentError`` when it is not."""
        cameras = self._cameras()
        free = [camera for camera in cameras if not self._is_twin(camera)]
        camera = self._again(free) or self._asked(free)
        if camera is None or self._is_twin(camera):
            raise AbsentError(f"camera {quoted(self._spec)} is not there; {cameras_found(cameras)}")
        self._camera = camera
        self.twins = tuple(c.port for c in cameras if c.is_like(camera) and c.port != camera.port)
        return camera

    def _is_twin(self, camera: CameraInfo) -> bool:
        return self._camera is not None and camera.is_like(self._camera) and camera.port in self.twins

    def _again(self, cameras: list[CameraInfo]) -> CameraInfo | None:
        """The camera that was found before, in the port where it was, or else in a new one."""
        known = self._camera
        if known is None or not known.usb or self._spec.startswith(f"{_DEV}/v4l/"):
            return None  # udev's links say themselves what they mean
        like = [camera for camera in cameras if camera.is_like(known)]
        return next((camera for camera in like if camera.port == known.port), like[0] if like else None)

    def _asked(self, cameras: list[CameraInfo]) -> CameraInfo | None:
        """The camera that the spec means by itself."""
        spec = self._spec
        if spec == "auto":
            return cameras[0] if cameras else _numbered("0", cameras)
        if usb := _USB.fullmatch(spec):
            return next((c for c in cameras if _is_usb(c, usb[1], usb[2])), None)
        if spec.startswith(_NAMED):
            part = spec.removeprefix(_NAMED).strip().casefold()
            return next((camera for camera in cameras if part in camera.name.casefold()), None)
        return _numbered(spec, cameras)


def cameras_found(cameras: list[CameraInfo]) -> str:
    """The end of an error message: what there is."""
    if not (cameras or sys.platform.startswith("linux")):  # they are not listed there
        return "possible: another camera (0, 1, …), or clouds"
    found = ", ".join(f"{spec_of(camera, cameras)} ({camera.name})" for camera in cameras)
    return f"cameras found: {found or 'none'}; possible: one of these, or clouds"


def _is_usb(camera: CameraInfo, usb: str, serial: str | None) -> bool:
    return camera.usb == usb.lower() and serial in (None, camera.serial)


def _numbered(spec: str, cameras: list[CameraInfo]) -> CameraInfo | None:
    """The camera with this number or path, whether it is listed or not."""
    if not sys.platform.startswith("linux"):
        listed = {camera.node: camera for camera in cameras}
        return listed.get(spec, CameraInfo(spec, f"camera {spec}")) if spec.isdecimal() else None
    path = f"{_DEV}/video{spec}" if spec.isdecimal() else spec
    if not os.path.exists(path):
        return None
    node = os.path.realpath(path)
    listed = {os.path.realpath(camera.node): camera for camera in cameras}
    camera = listed.get(node)
    name = f"camera {spec}" if spec.isdecimal() else Path(spec).name
    return CameraInfo(node, name) if camera is None else replace(camera, node=node)


def _links(folder: Path) -> dict[str, str]:
    """udev's links in ``folder`` by the name of the node that they lead to."""
    return {link.resolve().name: str(link) for link in sorted(folder.iterdir())} if folder.is_dir() else {}


def _usb(device: Path) -> tuple[str, str, str]:
    """Maker and product, serial number and port of a node's USB device; empty for others."""
    interface = device.resolve()
    for folder in (interface, *interface.parents[:2]):
        if (folder / "idVendor").exists():
            words = [_read(folder / name) for name in ("idVendor", "idProduct", "serial")]
            return f"{words[0]}:{words[1]}".lower(), words[2], folder.name
    return "", "", interface.name if device.exists() else ""


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _clean(name: str) -> str:
    """A driver's name for a camera without its repetition: ``C920: C920`` is ``C920``."""
    first, _, second = name.strip().partition(": ")
    return first if first.startswith(second) else name.strip()


def _enumerated() -> list[CameraInfo]:
    """The cameras as Windows and macOS name them, if the package for that is installed."""
    try:
        from cv2_enumerate_cameras import enumerate_cameras
    except ImportError:
        return []
    import cv2

    backend = cv2.CAP_MSMF if sys.platform == "win32" else cv2.CAP_AVFOUNDATION
    return [
        CameraInfo(
            str(camera.index),
            camera.name,
            f"{camera.vid:04x}:{camera.pid:04x}" if camera.vid and camera.pid else "",
            port=camera.path or "",
        )
        for camera in enumerate_cameras(backend)
    ]
