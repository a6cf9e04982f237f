"""Syphon: the picture on the graphics card of a Mac, for Resolume, TouchDesigner and others."""

from __future__ import annotations

import cv2

from livedream.frame import Image


class Syphon:
    """A :class:`~livedream.sinks.sending.Device` that others find by its name. By syphon-python (MIT)."""

    def __init__(self, name: str, width: int, height: int) -> None:
        import syphon
        from syphon.utils.numpy import copy_image_to_mtl_texture
        from syphon.utils.raw import create_mtl_texture

        self._server = syphon.SyphonMetalServer(name)
        self._texture = create_mtl_texture(self._server.device, width, height)
        self._copy = copy_image_to_mtl_texture
        self.detail = f"{name}, {width}x{height}"

    def send(self, picture: Image) -> None:
        """Put a picture, RGB, on the card. Metal's first row is the top one, Syphon's the bottom one."""
        self._copy(cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA), self._texture)
        self._server.publish_frame_texture(self._texture, is_flipped=True)

    def close(self) -> None:
        """Vanish from the others' lists."""
        self._server.stop()
