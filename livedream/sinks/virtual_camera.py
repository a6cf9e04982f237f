"""A virtual camera: other programs see the picture as that of a webcam. By pyvirtualcam, which is GPL 2."""

from __future__ import annotations

from livedream.errors import OutputError
from livedream.frame import Image
from livedream.sinks.sending import FPS

_HELP = {
    "linux": "sudo modprobe v4l2loopback exclusive_caps=1",
    "win32": "install OBS, which brings a virtual camera",
    "darwin": "install OBS, and start its virtual camera once",
}


class VirtualCamera:
    """A :class:`~livedream.sinks.sending.Device`. ``device`` is one such as ``/dev/video2``; "": the first.

    Raises ``OutputError`` if there is none.
    """

    def __init__(self, device: str, width: int, height: int) -> None:
        import sys

        import pyvirtualcam

        try:
            self._camera = pyvirtualcam.Camera(width, height, FPS, device=device or None)
        except RuntimeError as error:
            reason = " ".join(str(error).split()).partition(". ")[0]
            to_get = _HELP.get(sys.platform, "")
            raise OutputError(f"no virtual camera: {reason}; possible: {to_get}") from error
        self.detail = f"{self._camera.device}, {width}x{height}"

    def send(self, picture: Image) -> None:
        """Give it a picture, RGB."""
        self._camera.send(picture)

    def close(self) -> None:
        """Leave it to others."""
        self._camera.close()
