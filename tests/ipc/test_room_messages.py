"""What travels between mirror and room arrives as it was sent, or is refused in words."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest

from livedream.errors import ProtocolError
from livedream.ipc.protocol import VERSION, DreamStatus, Order
from livedream.ipc.room_messages import (
    GuideImage,
    Join,
    Moved,
    Picture,
    Refused,
    RoomResidual,
    Seed,
    Welcome,
    from_mirror,
    from_room,
    pack,
)
from livedream.ipc.room_pixels import decode_picture, decode_residual, encode_picture, encode_residual
from livedream.settings import Settings

ORDER = Order(number=3, settings=Settings(steps=2), aspect=1.5)


@pytest.mark.parametrize(
    "message",
    [
        Join(mirror="hall", order=ORDER),
        ORDER,
        Picture(index=4, time_s=1.5, size=(160, 96), visible=(1280, 720), coding="jpeg"),
        Seed(size=(160, 96), image_bytes=3, scale=0.5),
        GuideImage(path="guides/leaf.jpg"),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_mirrors_messages_arrive(message):
    found, pixels = from_mirror(pack(message, b"abc"))
    assert found == message
    assert bytes(pixels) == b"abc"
    with pytest.raises(ProtocolError, match="not a message of a room"):
        from_room(pack(message))


@pytest.mark.parametrize(
    "message",
    [
        Welcome(room="backroom", working_px=320),
        RoomResidual(index=4, time_s=1.5, order=3, aspect=None, size=(160, 96), scale=0.5),
        DreamStatus(phase="dreaming", ticks=7),
        Moved(reason="it was killed"),
        Refused(why="full", message="12 of 12", retry_s=5.0),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_rooms_messages_arrive(message):
    assert from_room(pack(message))[0] == message
    with pytest.raises(ProtocolError, match="not a message of a mirror"):
        from_mirror(pack(message))


def test_another_version_is_named():
    header = msgspec.msgpack.encode({"version": VERSION + 1})
    with pytest.raises(ProtocolError, match=f"version {VERSION + 1}"):
        from_room(b"X" + len(header).to_bytes(4, "big") + header)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"J",
        b"J\xff\xff\xff\xff",
        b"J\0\0\0\x09{}",
        b"?\0\0\0\0",
        b"GET / HTTP/1.1",
        b"J\0\0\0\x02\xff\xff",
    ],
)
def test_what_is_no_message_is_refused(data):
    with pytest.raises(ProtocolError):
        from_mirror(data)


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (6, 10, 3), np.uint8), (160, 96), interpolation=cv2.INTER_CUBIC)


def test_a_raw_picture_arrives_as_it_is(image):
    assert np.array_equal(decode_picture(encode_picture(image, "raw"), (160, 96), "raw"), image)


def test_a_jpeg_arrives_nearly_as_it_is_with_the_colours_in_their_places(image):
    found = decode_picture(encode_picture(image, "jpeg"), (160, 96), "jpeg")
    assert np.abs(found.astype(int) - image).mean() < 2


@pytest.mark.parametrize("size", [(160, 95), (0, 96), (-160, 96), (2000, 96)])
def test_pixels_of_another_size_are_refused(image, size):
    for coding in ("raw", "jpeg"):
        with pytest.raises(ProtocolError):
            decode_picture(encode_picture(image, coding), size, coding)


def test_what_is_no_jpeg_is_refused(image):
    cut = encode_picture(image, "jpeg")[:20]
    for data in (b"", b"\xff\xd8\xff garbage", cut, b"\xff\xd8" + b"\xff\xe0\0\0" * 9):
        with pytest.raises(ProtocolError, match="no JPEG"):
            decode_picture(data, (160, 96), "jpeg")


def test_a_residual_arrives_within_half_a_step():
    residual = np.random.default_rng(0).normal(0, 30, (96, 160, 3)).astype(np.float32)
    data, scale = encode_residual(residual)
    found = decode_residual(data, (160, 96), scale)
    assert found.dtype == np.float32
    assert np.abs(found - residual).max() <= scale / 2 + 1e-4
    assert scale == pytest.approx(np.abs(residual).max() / 127)


def test_a_jpeg_that_claims_to_be_enormous_is_not_decoded(image, monkeypatch):
    data = bytearray(encode_picture(image, "jpeg"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\xff\xdc" * 2  # 65500 × 65500 pixels
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(ProtocolError, match="no JPEG of 160×96"):
        decode_picture(bytes(data), (160, 96), "jpeg")


def test_a_residual_as_jpeg_arrives_nearly_as_it_was_at_a_fraction_of_the_bytes(image):
    residual = (image.astype(np.float32) - 128) * 0.3
    data, scale = encode_residual(residual, "jpeg")
    found = decode_residual(data, (160, 96), scale, "jpeg")
    assert len(data) < residual.size / 5
    assert found.dtype == np.float32
    assert np.abs(found - residual).mean() < 0.02 * np.abs(residual).max()


@pytest.mark.parametrize("coding", ["raw", "jpeg"])
def test_a_residual_of_nothing_is_nothing(coding):
    data, scale = encode_residual(np.zeros((96, 160, 3), np.float32), coding)
    assert not decode_residual(data, (160, 96), scale, coding).any()


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), 1e9])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(ProtocolError, match="scale"):
        decode_residual(bytes(96 * 160 * 3), (160, 96), scale)
