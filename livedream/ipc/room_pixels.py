"""Pixels between a mirror and a room: pictures raw or as JPEG, residuals as signed bytes with a scale."""

from __future__ import annotations

import cv2
import numpy as np

from livedream.errors import ProtocolError
from livedream.frame import LARGEST_SIDE_PX, Array, Image
from livedream.ipc.room_messages import Coding

#: At less, blocks show in a dream on plain walls; more only costs bytes.
JPEG_QUALITY = 92
_JPEG = (
    cv2.IMWRITE_JPEG_QUALITY,
    JPEG_QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
_LARGEST = 127


def encode_picture(image: Image, coding: Coding) -> bytes:
    """``image``, RGB uint8 (h, w, 3), as bytes."""
    if coding == "raw":
        return np.ascontiguousarray(image).tobytes()
    _, found = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _JPEG)
    return found.tobytes()


def decode_picture(data: bytes | memoryview, size: tuple[int, int], coding: Coding) -> Image:
    """The image of ``size`` (width, height). Raises ``ProtocolError`` when ``data`` is not one."""
    width, height = checked_size(size)
    if coding == "raw":
        return _shaped(data, np.uint8, width, height)
    # The size is in the file's head: what claims to be larger is not decoded.
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if len(data) else None
    if image is None or image.shape != (height, width, 3):
        raise ProtocolError(f"{len(data)} bytes are no JPEG of {width}×{height} pixels")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def encode_residual(residual: Array) -> tuple[bytes, float]:
    """A residual (h, w, 3) in levels of 255 as signed bytes, and what they are to be multiplied by."""
    scale = max(float(np.abs(residual).max(initial=0.0)), 1e-6) / _LARGEST
    return np.rint(residual * np.float32(1 / scale)).astype(np.int8).tobytes(), scale


def decode_residual(data: bytes | memoryview, size: tuple[int, int], scale: float) -> Array:
    """The residual, float32 (h, w, 3) in levels of 255. Raises ``ProtocolError`` when ``data`` is not one."""
    width, height = checked_size(size)
    if not 0 < scale <= 255 / _LARGEST * 2:
        raise ProtocolError(f"a residual's scale is {scale}")
    return _shaped(data, np.int8, width, height) * np.float32(scale)


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    """``size`` (width, height), if it can be a working size. Raises ``ProtocolError``."""
    width, height = size
    if not (0 < width <= LARGEST_SIDE_PX and 0 < height <= LARGEST_SIDE_PX):
        raise ProtocolError(f"{width}×{height} is no working size")
    return width, height


def _shaped(data: bytes | memoryview, kind: type, width: int, height: int) -> Array:
    if len(data) != width * height * 3:
        raise ProtocolError(f"{len(data)} bytes are no {width}×{height} pixels")
    return np.frombuffer(data, kind).reshape(height, width, 3)
