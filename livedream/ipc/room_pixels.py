"""Pixels between a mirror and a room: pictures raw or as JPEG, residuals as bytes with a scale or as JPEG.

Raw is for loopback. Over a network a raw residual of 320×180 would be 41 Mbit/s at 30 a second, and where
packets get lost TCP carries a few of them a second only.
"""

from __future__ import annotations

import cv2
import numpy as np

from livedream.errors import ProtocolError
from livedream.frame import LARGEST_SIDE_PX, Array, Image
from livedream.ipc.room_messages import Coding

#: At less, blocks show in a dream on plain walls; more only costs bytes.
JPEG_QUALITY = 92
#: A fifth of the bytes for 0.6 to 0.9 % of the dream's strength; at 85 it is 1.2 to 1.8 %, at 75 2 to 3 %,
#: and without colours of full size twice as much: ``python -m tests.bench.room_pixels --sweep``.
RESIDUAL_QUALITY = 90
_LARGEST, _ZERO = 127, 128


def encode_picture(image: Image, coding: Coding) -> bytes:
    """``image``, RGB uint8 (h, w, 3), as bytes."""
    return np.ascontiguousarray(image).tobytes() if coding == "raw" else _jpeg(image, JPEG_QUALITY)


def decode_picture(data: bytes | memoryview, size: tuple[int, int], coding: Coding) -> Image:
    """The image of ``size`` (width, height). Raises ``ProtocolError`` when ``data`` is not one."""
    width, height = checked_size(size)
    return _shaped(data, np.uint8, width, height) if coding == "raw" else _from_jpeg(data, width, height)


def encode_residual(residual: Array, coding: Coding = "raw") -> tuple[bytes, float]:
    """A residual (h, w, 3) in levels of 255 as signed bytes, and what they are to be multiplied by.

    As JPEG, the bytes are that of an image in which 128 is nothing.
    """
    scale = max(float(np.abs(residual).max(initial=0.0)), 1e-6) / _LARGEST
    signed = np.rint(residual * np.float32(1 / scale))
    if coding == "raw":
        return signed.astype(np.int8).tobytes(), scale
    return _jpeg(np.asarray(signed + _ZERO, np.uint8), RESIDUAL_QUALITY), scale


def decode_residual(
    data: bytes | memoryview, size: tuple[int, int], scale: float, coding: Coding = "raw"
) -> Array:
    """The residual, float32 (h, w, 3) in levels of 255. Raises ``ProtocolError`` when ``data`` is not one."""
    width, height = checked_size(size)
    if not 0 < scale <= 255 / _LARGEST * 2:
        raise ProtocolError(f"a residual's scale is {scale}")
    if coding == "raw":
        return _shaped(data, np.int8, width, height) * np.float32(scale)
    return (_from_jpeg(data, width, height).astype(np.float32) - _ZERO) * np.float32(scale)


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


def _jpeg(image: Image, quality: int) -> bytes:
    words = (cv2.IMWRITE_JPEG_QUALITY, quality)
    colours = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
    _, found = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), words + colours)
    return found.tobytes()


def _from_jpeg(data: bytes | memoryview, width: int, height: int) -> Image:
    # What claims to be larger in its head is not decoded: a few bytes could ask for gigabytes.
    image = None
    if _jpeg_size(data) == (width, height):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (height, width, 3):
        raise ProtocolError(f"{len(data)} bytes are no JPEG of {width}×{height} pixels")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """The (width, height) in a JPEG's head, None where there is none."""
    at = 2  # after the start of the image
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # the start of a frame
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length
    return None
