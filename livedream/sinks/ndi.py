"""NDI: the picture in the local network, for OBS, Resolume, TouchDesigner and others.

By cyndilib (MIT), which brings the runtime of NDI with it. That is Vizrt's, under its own licence.
"""

from __future__ import annotations

from fractions import Fraction

import cv2

from livedream.errors import OutputError
from livedream.frame import Image
from livedream.sinks.sending import FPS


class Ndi:
    """A :class:`~livedream.sinks.sending.Device` that others find as ``MACHINE (name)``."""

    def __init__(self, name: str, width: int, height: int) -> None:
        from cyndilib.sender import Sender
        from cyndilib.video_frame import VideoSendFrame
        from cyndilib.wrapper.ndi_structs import FourCC

        frame = VideoSendFrame()
        frame.set_resolution(width, height)
        frame.set_frame_rate(Fraction(FPS))
        frame.set_fourcc(FourCC.RGBX)
        # Not by its clock: pictures come when they come.
        self._sender = Sender(name, clock_video=False, clock_audio=False)
        self._sender.set_video_frame(frame)
        self._sender.open()
        self.detail = f"{self._sender.name}, {width}x{height}"

    def send(self, picture: Image) -> None:
        """Give everybody who receives it a picture, RGB."""
        if not self._sender.write_video_async(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA).ravel()):
            raise OutputError(f"NDI did not take a picture of {picture.shape[1]}x{picture.shape[0]}")

    def close(self) -> None:
        """Vanish from the network."""
        self._sender.close()
