"""A mirror as the room sees it: sends pictures, one in flight, and keeps what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp

from livedream.frame import Image
from livedream.ipc.protocol import DreamStatus, Order
from livedream.ipc.room_messages import (
    Coding,
    GuideImage,
    Join,
    Picture,
    Refused,
    RoomResidual,
    Seed,
    Welcome,
    from_room,
    pack,
)
from livedream.ipc.room_pixels import decode_residual, encode_picture, encode_residual
from livedream.settings import Settings

#: Whatever is waited for comes within this time, on a machine that has a lot to do.
PATIENCE_S = 60.0
#: What takes the least time.
FAST = Settings(working_px=128, layer="edges")


class Mirror:
    """Connects to ``url`` with ``token``; an asynchronous context manager."""

    def __init__(self, url: str, token: str = "", **headers: str) -> None:
        self._url = url
        self._headers = headers | ({"Authorization": f"Bearer {token}"} if token else {})
        self.received: list[tuple[Any, bytes]] = []
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession()
        try:
            self.socket = await self._client.ws_connect(self._url, headers=self._headers, max_msg_size=0)
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.socket.close()
        await self._client.close()

    async def join(self, settings: Settings | None = None, **order: Any) -> Welcome:
        """Join with an order; the room's welcome."""
        made = Order(number=order.pop("number", 1), settings=settings or Settings(), **order)
        await self.send(Join(mirror="a test", order=made))
        message, _ = await self.until(lambda message: isinstance(message, Welcome | Refused))
        assert isinstance(message, Welcome), message
        return message

    async def send(self, message: Any, pixels: bytes = b"") -> None:
        await self.socket.send_bytes(pack(message, pixels))

    async def order(self, settings: Settings, number: int, **order: Any) -> None:
        await self.send(Order(number=number, settings=settings, **order))

    async def guide(self, path: str, data: bytes) -> None:
        await self.send(GuideImage(path=path), data)

    async def seed(self, image: Image, residual: Any) -> None:
        jpeg = encode_picture(image, "jpeg")
        pixels, scale = encode_residual(residual)
        size = residual.shape[1], residual.shape[0]
        await self.send(Seed(size=size, image_bytes=len(jpeg), scale=scale), jpeg + pixels)

    async def show(self, image: Image, coding: Coding = "raw") -> None:
        """Send a picture."""
        size = image.shape[1], image.shape[0]
        picture = Picture(
            index=self.sent, time_s=time.monotonic(), size=size, visible=(1280, 720), coding=coding
        )
        self.sent += 1
        await self.send(picture, encode_picture(image, coding))

    async def dream(self, image: Image, coding: Coding = "raw") -> tuple[RoomResidual, Any]:
        """Send a picture, and wait for the residual that was dreamt on it, float32 (h, w, 3)."""
        await self.show(image, coding)
        index = self.sent - 1
        found, pixels = await self.until(lambda m: isinstance(m, RoomResidual) and m.index == index)
        return found, decode_residual(pixels, found.size, found.scale, found.coding)

    async def status(self, true: Callable[[DreamStatus], bool], image: Image | None = None) -> DreamStatus:
        """The first status for which that is ``true``; ``image`` is shown again and again meanwhile."""
        while True:
            if image is not None:
                await self.dream(image)
            for message, _ in self.received:
                if isinstance(message, DreamStatus) and true(message):
                    return message
            self.received.clear()
            if image is None:
                await self.until(lambda message: isinstance(message, DreamStatus))

    async def until(self, true: Callable[[Any], bool]) -> tuple[Any, bytes]:
        """The next message for which that is ``true``."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                data = await self.socket.receive_bytes()
                message, pixels = from_room(data)
                self.received.append((message, bytes(pixels)))
                if true(message):
                    return message, bytes(pixels)

    async def refused(self) -> Refused:
        """How the room refuses it; the connection is then closed."""
        message, _ = await self.until(lambda message: isinstance(message, Refused))
        async with asyncio.timeout(PATIENCE_S):
            assert (await self.socket.receive()).type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSING,
                aiohttp.WSMsgType.CLOSED,
            )
        return message
