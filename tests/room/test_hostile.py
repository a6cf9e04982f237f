"""Strangers at a room's ingress: whatever they send, they are sent away and the mirrors dream on."""

from __future__ import annotations

import asyncio
import struct
import sys
from contextlib import asynccontextmanager, suppress

import aiohttp
import msgspec
import pytest

from livedream.ipc.protocol import VERSION, Message
from livedream.ipc.room_messages import MAX_MESSAGE_BYTES, Refused, RoomResidual, Welcome, pack
from livedream.room.door import DoorLimits
from livedream.room.ingress import IngressLimits
from livedream.room.relay import RelayLimits
from tests.room.replicas import ORDER, EchoReplica, heard, join, opened, picture, until
from tests.room.test_ingress import in_a_loop

TOKEN = "k7mq-2xtp-9fhd-w3zs"
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def dreaming(**more):
    """A room in which one mirror dreams, before and after whatever happens."""
    async with opened(**more) as room, room.connect(headers=bearer(more)) as good:
        await good.send_bytes(join("good"))
        await heard(good, Welcome)
        yield room
        await good.send_bytes(picture(77))
        residual, _ = await heard(good, RoomResidual)
        assert residual.index == 77
        assert [one["mirror"] for one in room.ingress.health()["sessions"]] == ["good"]


def bearer(more):
    return {"Authorization": f"Bearer {more['token']}"} if more.get("token") else {}


async def raw(room):
    return await asyncio.open_connection("127.0.0.1", room.port)


async def ended(reader) -> bytes:
    """What comes until the other side ends the connection."""
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            return await reader.read()
    return b""


async def send_too_much(stranger, data):
    with suppress(ConnectionError, aiohttp.ClientError):  # it may be cut off before it has sent all
        await stranger.send_bytes(data + bytes(MAX_MESSAGE_BYTES))
    last = await stranger.receive()
    assert last.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG or last.type is not aiohttp.WSMsgType.BINARY


def version_of(number: int) -> bytes:
    header = msgspec.msgpack.encode({"version": number, "dream": "of the future"})
    return b"J" + struct.pack(">I", len(header)) + header


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"J",
        b"\x00" * 100,
        b"J\xff\xff\xff\xff",
        b"J" + struct.pack(">I", 3) + b"\xc1\xc1\xc1",
        b"J" + struct.pack(">I", 5000) + b"\x91" * 5000,
        picture(),
        pack(ORDER),
        b"R" + join()[1:],
    ],
    ids=lambda first: repr(first[:6]),
)
@in_a_loop
async def test_what_is_no_join_is_refused(first):
    async with dreaming() as room, room.connect() as stranger:
        await stranger.send_bytes(first)
        refused, _ = await heard(stranger, Refused)
        assert refused.why == "invalid"
        assert (await stranger.receive()).type is aiohttp.WSMsgType.CLOSE


@in_a_loop
async def test_text_is_refused():
    async with dreaming() as room:
        async with room.connect() as stranger:
            await stranger.send_str("GET / HTTP/1.1")
            assert (await heard(stranger, Refused))[0].why == "invalid"
        async with room.connect() as stranger:
            await stranger.send_bytes(join("stranger"))
            await heard(stranger, Welcome)
            await stranger.send_str("hello")
            assert (await heard(stranger, Refused))[0].why == "invalid"
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)


@in_a_loop
async def test_another_version_is_told_both_in_its_own():
    async with dreaming() as room, room.connect() as stranger:
        await stranger.send_bytes(version_of(VERSION + 1))
        data = await stranger.receive_bytes()
        theirs = msgspec.msgpack.decode(data[5:], type=Message).version
        assert theirs == VERSION + 1
        said = msgspec.msgpack.decode(data[5:])
        assert said["why"] == "version"
        assert f"version {VERSION} of the protocol, the mirror {VERSION + 1}" in said["message"]


@in_a_loop
async def test_a_message_that_is_too_large_ends_the_connection_unread():
    async with dreaming() as room:
        async with room.connect() as stranger:
            await send_too_much(stranger, join("stranger"))
        async with room.connect() as stranger:
            await stranger.send_bytes(join("stranger"))
            await heard(stranger, Welcome)
            await send_too_much(stranger, picture())
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)


@pytest.mark.parametrize(
    "said",
    ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-One: ", UPGRADE, UPGRADE + "\r\n"],
    ids=["nothing", "a line", "half a header", "all but the end", "no Join"],
)
@in_a_loop
async def test_who_dawdles_is_shut_out(said):
    limits = IngressLimits(door=DoorLimits(handshake_s=0.3))
    async with dreaming(limits=limits) as room:
        reader, writer = await raw(room)
        writer.write(said.encode())
        await ended(reader)
        writer.close()
        await until(lambda: room.ingress.connections == 1, "only the mirror's own connection")


@in_a_loop
async def test_a_slow_drip_of_headers_does_not_keep_the_door_open():
    limits = IngressLimits(door=DoorLimits(handshake_s=0.5))
    async with dreaming(limits=limits) as room:
        reader, writer = await raw(room)
        writer.write(b"GET / HTTP/1.1\r\n")

        async def drip():
            with suppress(ConnectionError):
                while True:
                    writer.write(b"X-A: b\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        await ended(reader)
        dripping.cancel()
        writer.close()
        await until(lambda: room.ingress.connections == 1, "only the mirror's own connection")


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01", b"\x00" * 5000, b"SSH-2.0-x\r\n\r\n"])
@in_a_loop
async def test_what_is_no_http_is_answered_and_closed(garbage):
    async with dreaming(limits=IngressLimits(door=DoorLimits(handshake_s=1.0))) as room:
        reader, writer = await raw(room)
        writer.write(garbage)
        await ended(reader)
        writer.close()
        await until(lambda: room.ingress.connections == 1, "only the mirror's own connection")


@in_a_loop
async def test_a_frame_that_breaks_the_protocol_ends_its_connection():
    async with dreaming() as room:
        for frame in (
            b"\xff\xff\xff",
            b"\x82\x7f" + b"\xff" * 8,
            b"\xc2\x80\x00\x00\x00\x00",
            b"\x09\x7e\xff\xff",
        ):
            reader, writer = await raw(room)
            writer.write(f"{UPGRADE}\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame)
            await ended(reader)
            writer.close()


@in_a_loop
async def test_one_address_gets_no_more_than_its_connections():
    limits = IngressLimits(door=DoorLimits(connections_of_address=3))
    async with dreaming(limits=limits) as room:
        others = [await raw(room) for _ in range(2)]
        reader, writer = await raw(room)
        assert await ended(reader) == b""
        writer.close()
        assert "too many connections from 127.0.0.1: one more was closed" in [
            news.text for news in await room.ingress.news.after(0, 0.0)
        ]
        for _, other in others:
            other.close()
        await until(lambda: room.ingress.connections == 1, "their end")


@in_a_loop
async def test_a_flood_of_messages_ends_its_session_only():
    limits = IngressLimits(relay=RelayLimits(messages_per_s=50))
    async with dreaming(limits=limits) as room, room.connect() as stranger:
        await stranger.send_bytes(join("stranger"))
        with suppress(ConnectionError, aiohttp.ClientError):
            for index in range(1000):
                await stranger.send_bytes(picture(index))
        refused, _ = await heard(stranger, Refused)
        assert refused.message == "more than 50 messages a second came"
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)


@in_a_loop
async def test_a_flood_of_bytes_ends_its_session_only():
    limits = IngressLimits(relay=RelayLimits(bytes_per_s=1e6))
    async with dreaming(limits=limits) as room, room.connect() as stranger:
        await stranger.send_bytes(join("stranger"))
        await heard(stranger, Welcome)
        await stranger.send_bytes(picture(1, bytes(3_000_000)))
        assert (await heard(stranger, Refused))[0].message == "more than 1 MB a second came"
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)


@in_a_loop
async def test_a_mirror_that_says_nothing_more_is_let_go():
    limits = IngressLimits(relay=RelayLimits(idle_s=0.2))
    async with opened(limits=limits) as room, room.connect() as mirror:
        await mirror.send_bytes(join())
        await heard(mirror, Welcome)
        assert (await heard(mirror, Refused))[0].why == "closing"
        await until(lambda: not room.ingress.health()["sessions"])


@in_a_loop
async def test_a_connection_that_breaks_off_leaves_nothing_behind():
    only = EchoReplica("only")
    async with dreaming(token="") as room:
        mirror = await room.connect()
        await mirror.send_bytes(join("lost"))
        await heard(mirror, Welcome)
        mirror._response.connection.transport.abort()  # no farewell: a cable was pulled
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)
        await mirror.close()
    assert not only.tickets


@in_a_loop
async def test_what_a_mirror_does_not_read_is_not_kept_for_it():
    async with dreaming(
        limits=IngressLimits(relay=RelayLimits(messages_per_s=1e9, bytes_per_s=1e12))
    ) as room:
        (replica,) = room.dreams.replicas
        reader, writer = await asyncio.open_connection("127.0.0.1", room.port, limit=1024)
        writer.write(f"{UPGRADE}\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        for data in (join("slow"), *(picture(index, bytes(500_000)) for index in range(200))):
            head = struct.pack(">BBQ", 0x82, 0xFF, len(data)) + bytes(4)  # masked with zeros
            writer.write(head + data)
        await until(lambda: len(replica.heard) > 10)
        before = -1
        while before != len(replica.heard):  # until nothing moves any more
            before = len(replica.heard)
            await asyncio.sleep(0.5)
        # 100 MB were sent; what the sockets of both ways hold is all that got through.
        assert before < 150
        writer.transport.abort()
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)


@in_a_loop
async def test_without_the_token_nothing_is_answered():
    async with dreaming(token=TOKEN) as room:
        for path in ("/", "/healthz", "/nothing"):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
                async with room.client.get(f"{room.url}{path}", headers=headers) as answer:
                    assert answer.status == 401
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await room.connect()
        assert refused.value.status == 401
        assert (await room.health(**bearer({"token": TOKEN})))["sessions"]


@in_a_loop
async def test_after_a_hundred_wrong_tokens_who_dreams_dreams_on():
    async with dreaming(token=TOKEN) as room:
        statuses = []
        for number in range(100):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await room.connect(headers={"Authorization": f"Bearer wrong-{number}"})
            statuses.append(refused.value.status)
        assert statuses[:9] == [401] * 9
        assert statuses[10:] == [429] * 90


@pytest.mark.skipif(sys.platform != "linux", reason="needs a loopback network of many addresses")
@in_a_loop
async def test_who_guesses_at_many_addresses_does_not_keep_out_who_has_the_token():
    async with dreaming(token=TOKEN) as room:
        for number in range(2, 22):
            connector = aiohttp.TCPConnector(local_addr=(f"127.0.0.{number}", 0))
            async with aiohttp.ClientSession(connector=connector) as other:
                for _ in range(11):
                    async with other.get(room.url, headers={"Authorization": "Bearer wrong"}) as answer:
                        assert answer.status in (401, 429)
        async with room.connect(headers=bearer({"token": TOKEN})) as mirror:
            await mirror.send_bytes(join("back"))
            await heard(mirror, Welcome)
        await until(lambda: len(room.ingress.health()["sessions"]) == 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8850"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
    ids=str,
)
@in_a_loop
async def test_no_page_in_a_browser_gets_in(headers):
    async with dreaming() as room:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await room.connect(headers=headers)
        assert refused.value.status == 403
        async with room.client.get(f"{room.url}/healthz", headers=headers) as answer:
            assert answer.status == 403


@in_a_loop
async def test_other_paths_and_methods_are_answered_in_words():
    async with dreaming() as room:
        for method, path, status in (
            ("GET", "/", 426),
            ("GET", "/../etc/passwd", 404),
            ("POST", "/healthz", 405),
            ("DELETE", "/", 405),
        ):
            async with room.client.request(method, f"{room.url}{path}", data=b"x" * 100) as answer:
                assert answer.status == status
                assert (await answer.text()).endswith("\n")
