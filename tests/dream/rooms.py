"""A room in this process that dreams nothing: it answers each picture as the test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from aiohttp import web

from livedream.ipc.protocol import DreamStatus, Governed, Order
from livedream.ipc.room_messages import (
    FromMirror,
    Join,
    Moved,
    Picture,
    Refused,
    RoomResidual,
    Welcome,
    from_mirror,
    pack,
)
from livedream.ipc.room_pixels import encode_residual

LEVEL = 20.0


class FakeRoom:
    """Listens on a free port of this machine until it is closed.

    ``heard`` are the messages of mirrors, with their pixels; ``headers`` those of the handshakes.
    ``answer(picture, order)`` makes the answer to a picture, None for none; ``greet`` the answers to a Join.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", **app: Any) -> None:
        self.heard: list[tuple[FromMirror, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.order: Order | None = None
        self.working_px = 96
        self.level = LEVEL
        self.status: Callable[[Order], DreamStatus] = self.usual_status
        self.greet: Callable[[Join], list[bytes]] = self.welcome
        self.answer: Callable[[Picture, Order], bytes | None] = self.residual
        self.handler: Callable[[web.Request], Any] = self._talk
        self._sockets: set[web.WebSocketResponse] = set()
        self._ssl = app.get("ssl")
        self._ready = threading.Event()
        self._host, self._port = host, port
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def address(self) -> str:
        return f"{'wss' if self._ssl else 'ws'}://127.0.0.1:{self.port}"

    def of(self, kind: type) -> list[Any]:
        """What was heard of one kind."""
        return [message for message, _ in list(self.heard) if isinstance(message, kind)]

    def usual_status(self, order: Order) -> DreamStatus:
        settings = order.settings
        return DreamStatus(
            phase="dreaming",
            order=order.number,
            network=settings.network,
            layer=settings.layer,
            guide=settings.guide,
            dream_fps=29.0,
            ticks=len(self.heard),
            backend="fake",
            governor=Governed(working_px=self.working_px, steps=2, octaves=3, auto=True),
        )

    def welcome(self, join: Join) -> list[bytes]:
        return [pack(Welcome(room="fake", working_px=self.working_px)), pack(self.status(join.order))]

    def residual(self, picture: Picture, order: Order, **changes: Any) -> bytes:
        width, height = changes.get("size", picture.size)
        residual = np.full((height, width, 3), self.level, np.float32)
        residual[::2] *= -1
        data, scale = encode_residual(residual, picture.coding)
        named = {"index": picture.index, "time_s": picture.time_s, "order": order.number, "scale": scale}
        named |= {"aspect": order.aspect, "size": (width, height), "coding": picture.coding}
        return pack(RoomResidual(**named | changes), data)  # type: ignore[arg-type]

    def send(self, data: bytes) -> None:
        """Say something to all mirrors."""
        for socket in list(self._sockets):
            with suppress(ConnectionError):  # it has had enough
                asyncio.run_coroutine_threadsafe(socket.send_bytes(data), self._loop).result(5)

    def move(self) -> None:
        """What dreamt has gone, and another is there."""
        self.send(pack(Moved(reason="a replica was killed")))

    def refuse(self, why: str, message: str, retry_s: float = 0.0) -> None:
        """Let nobody in."""
        refused = pack(Refused(why=why, message=message, retry_s=retry_s))  # type: ignore[arg-type]
        self.greet = lambda join: [refused]

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port, ssl_context=self._ssl, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._ended.wait()
        for socket in list(self._sockets):
            transport = socket._req.transport if socket._req else None  # as a room that is killed
            if transport is not None:
                transport.abort()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        found: web.StreamResponse = await self.handler(request)
        return found

    async def _talk(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(max_msg_size=2**23)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for message in socket:
                found, pixels = from_mirror(message.data)
                self.heard.append((found, bytes(pixels)))
                for answer in self._answers(found):
                    await socket.send_bytes(answer)
        finally:
            self._sockets.discard(socket)
        return socket

    def _answers(self, message: FromMirror) -> list[bytes]:
        if isinstance(message, Join):
            self.order = message.order
            return self.greet(message)
        if isinstance(message, Order):
            self.order = message
            return [pack(self.status(message))]
        if isinstance(message, Picture) and self.order is not None:
            answer = self.answer(message, self.order)
            return [answer, pack(self.status(self.order))] if answer else []
        return []
