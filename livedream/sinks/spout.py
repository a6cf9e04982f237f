"""Spout: the picture on the graphics card of a Windows machine, for Resolume, TouchDesigner and others."""

from __future__ import annotations

import cv2

from livedream.errors import OutputError
from livedream.frame import Image

_GL_RGBA = 0x1908


class Spout:
    """A :class:`~livedream.sinks.sending.Device` that others find by its name. By SpoutGL (BSD)."""

    def __init__(self, name: str, width: int, height: int) -> None:
        import SpoutGL

        self._name, self._sender = name, SpoutGL.SpoutSender()
        self._sender.setSenderName(name)
        self.detail = f"{name}, {width}x{height}"

    def send(self, picture: Image) -> None:
        """Put a picture, RGB, on the card. Raises ``OutputError``."""
        height, width = picture.shape[:2]
        pixels = cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)
        if not self._sender.sendImage(pixels.tobytes(), width, height, _GL_RGBA, False, 0):
            raise OutputError("Spout did not take the picture; it needs a graphics card with DirectX 11")
        self._sender.setFrameSync(self._name)

    def close(self) -> None:
        """Vanish from the others' lists."""
        self._sender.releaseSender()
