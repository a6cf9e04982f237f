"""What no mirror would send: it is refused in words, and harms nobody but who sent it."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from livedream.ipc.protocol import Order
from livedream.ipc.room_messages import MAX_MESSAGE_BYTES, Join, Picture, Seed, pack
from livedream.settings import Settings
from tests.room.mirrors import FAST, Mirror

BLACK = bytes(128 * 96 * 3)


async def _says(url: str, *messages: bytes) -> str:
    async with Mirror(url) as mirror:
        for message in messages:
            await mirror.socket.send_bytes(message)
        refused = await mirror.refused()
        assert refused.why == "invalid"
        return refused.message


def _join(**order) -> bytes:
    return pack(Join(mirror="a", order=Order(number=1, **{"settings": FAST} | order)))


def _picture(size=(128, 96), pixels=b"", **changes) -> bytes:
    options = {"index": 0, "time_s": 0.0, "visible": (640, 480)} | changes
    return pack(Picture(size=size, **options), pixels)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([b""], "0 bytes are no message"),
        ([b"hello, is this a room?"], "not a message of a mirror"),
        ([_picture()], "begins with Join"),
        ([_join(settings=Settings(network="nonsense"))], "unknown network 'nonsense'"),
        ([_join(settings=Settings(layer="nonsense"))], "nonsense"),
        ([_join(settings=Settings(layer=",".join(["edges:1"] * 9)))], "9 layers"),
        ([_join(settings=Settings(channels="many"))], "channels"),
        ([_join(aspect=float("nan"))], "aspect"),
        ([_join(persistence_limit_s=-1.0)], "persistence_limit_s"),
        ([_join(), b"\xff" * 100], "not a message of a mirror"),
        ([_join(), _picture(pixels=b"too few")], "7 bytes are no 128×96 pixels"),
        ([_join(), _picture(coding="jpeg", pixels=b"\xff\xd8 no picture")], "no JPEG"),
        ([_join(), _picture(size=(60000, 60000))], "no working size"),
        ([_join(), _picture(size=(-1, 10))], "no working size"),
        ([_join(), _picture(visible=(0, 10))], "visible"),
        ([_join(), _picture(time_s=float("inf"))], "time_s"),
        ([_join(), b"x" * (MAX_MESSAGE_BYTES + 1)], "bytes; possible"),
        (
            [
                _join(settings=FAST.replace(steps=0)),
                pack(Seed(size=(128, 96), image_bytes=9, scale=0.5), b"no"),
                _picture(pixels=BLACK),
            ],
            "no JPEG",
        ),
        ([_join(), *[_picture(pixels=BLACK)] * 2000], "too much"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_words_and_harms_nobody_else(room, small, messages, words):
    async def visit():
        async with Mirror(room.url) as neighbour:
            await neighbour.join(FAST)
            await neighbour.dream(small)
            assert words in await _says(room.url, *messages)
            await neighbour.dream(small)
        assert room.stats()["sessions"][1:] == []

    asyncio.run(visit())


def test_text_and_enormous_messages_end_the_connection(room, small):
    async def visit():
        async with Mirror(room.url) as mirror:
            await mirror.socket.send_str("hello")
            assert "binary" in (await mirror.refused()).message
        async with Mirror(room.url) as mirror:
            await mirror.join(FAST)
            with contextlib.suppress(ConnectionError):
                await mirror.socket.send_bytes(b"x" * (2 * MAX_MESSAGE_BYTES))
            while (await mirror.socket.receive()).type is aiohttp.WSMsgType.BINARY:
                pass

    asyncio.run(visit())


def test_a_browser_is_not_let_in(room):
    async def visit():
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            async with Mirror(room.url, Origin="http://127.0.0.1"):
                pass
        async with (
            aiohttp.ClientSession() as client,
            client.get(room.url.replace("ws:", "http:")) as answer,
        ):
            assert answer.status == 403
            assert "livedream room" in await answer.text()

    asyncio.run(visit())
