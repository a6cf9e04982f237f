"""Replicas without Ray: WebSocket servers in the test's own loop that answer each picture at once."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

from livedream.ipc.protocol import Order
from livedream.ipc.room_messages import (
    MAX_MESSAGE_BYTES,
    Join,
    Picture,
    RoomResidual,
    Welcome,
    from_mirror,
    from_room,
    pack,
)
from livedream.room.ingress import Ingress
from livedream.room.placing import Alive, Full, Place, PlacingError
from livedream.settings import Settings

ORDER = Order(number=1, settings=Settings())
SIZE = (32, 18)
PIXELS = bytes(range(256)) * 6 + bytes(SIZE[0] * SIZE[1] * 3 - 256 * 6)


class EchoReplica:
    """A replica whose residuals are the pictures' own bytes."""

    def __init__(self, name: str, most: int = 100) -> None:
        self.name, self.most = name, most
        self.tickets: dict[str, asyncio.Event] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.heard: list[object] = []
        self.dead = False
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def open(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """As if its process had died: connections end without a word."""
        self.dead = True
        for one in self.sockets:
            if one._req is not None and one._req.transport is not None:
                one._req.transport.abort()
        for gone in self.tickets.values():
            gone.set()
        await self.close()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        ticket = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if ticket not in self.tickets:
            return web.Response(status=401)
        one = web.WebSocketResponse(max_msg_size=MAX_MESSAGE_BYTES, compress=False)
        await one.prepare(request)
        self.sockets.append(one)
        with suppress(ConnectionError):
            async for message in one:
                await self._hear(one, message.data)
        if ticket in self.tickets:
            self.tickets[ticket].set()
        return one

    async def _hear(self, one: web.WebSocketResponse, data: bytes) -> None:
        heard, pixels = from_mirror(data)
        self.heard.append(heard)
        if isinstance(heard, Join):
            await one.send_bytes(pack(Welcome(room=self.name, working_px=SIZE[0])))
        elif isinstance(heard, Picture):
            answer = RoomResidual(
                index=heard.index, time_s=heard.time_s, order=1, aspect=None, size=heard.size, scale=0.1
            )
            await one.send_bytes(pack(answer, pixels))


class EchoDreams:
    """Places sessions on the first replica that has room and lives."""

    def __init__(self, *replicas: EchoReplica) -> None:
        self.replicas = list(replicas)
        self.asked = 0

    async def session(self, mirror: str):
        self.asked += 1
        living = [replica for replica in self.replicas if not replica.dead]
        if not living:
            raise PlacingError("no replica lives")
        for replica in living:
            if len(replica.tickets) < replica.most:
                break
        else:
            yield Full("every replica is full", retry_s=3.0)
            return
        ticket, gone = secrets.token_hex(8), asyncio.Event()
        replica.tickets[ticket] = gone
        try:
            yield Place("127.0.0.1", replica.port, ticket, replica.name)
            yield Alive({"ticks_per_s": 30.0})
            await gone.wait()
            if replica.dead:
                raise PlacingError(f"{replica.name} died")
        finally:
            replica.tickets.pop(ticket, None)


class Room:
    """An ingress with its replicas, and mirrors that come to it."""

    def __init__(
        self, ingress: Ingress, dreams: EchoDreams, port: int, client: aiohttp.ClientSession
    ) -> None:
        self.ingress, self.dreams, self.port, self.client = ingress, dreams, port, client
        self.url = f"http://127.0.0.1:{port}"

    def connect(self, **more):
        """A WebSocket to the room, as a context manager."""
        more = {"max_msg_size": MAX_MESSAGE_BYTES, "compress": 0} | more
        return self.client.ws_connect(self.url, **more)

    async def health(self, **headers):
        async with self.client.get(f"{self.url}/healthz", headers=headers) as answer:
            return await answer.json()


@asynccontextmanager
async def opened(*replicas: EchoReplica, token: str = "", tls=None, **more):
    """A room on a free port of this machine, with one replica if no others are given."""
    replicas = replicas or (EchoReplica("first"),)
    for replica in replicas:
        await replica.open()
    dreams = EchoDreams(*replicas)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    ingress = Ingress(listener, dreams, host="127.0.0.1", token=token, tls=tls, **more)
    await ingress.open()
    try:
        async with aiohttp.ClientSession() as client:
            yield Room(ingress, dreams, port, client)
    finally:
        await ingress.close()
        for replica in replicas:
            await replica.close()


def join(name: str = "hall") -> bytes:
    return pack(Join(mirror=name, order=ORDER))


def picture(index: int = 0, pixels: bytes = PIXELS) -> bytes:
    return pack(Picture(index=index, time_s=0.0, size=SIZE, visible=(640, 360)), pixels)


async def heard(mirror: aiohttp.ClientWebSocketResponse, kind: type = object):
    """The next message of a kind, and its pixels; others are passed over."""
    async with asyncio.timeout(30):
        while True:
            data = await mirror.receive_bytes()
            message, pixels = from_room(data)
            if isinstance(message, kind):
                return message, bytes(pixels)


async def until(holds, what: str = "it") -> None:
    """Wait for a condition."""
    try:
        async with asyncio.timeout(30):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} never came to be") from None
