"""Fake mirrors, all in one process: real frames up, residuals down and forgotten. Nothing is shown.

``python -m tests.bench.room_mirrors PLAN`` follows a :class:`Plan` in JSON, and prints what it found in JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import aiohttp
import cv2
import msgspec

from livedream.dream.governor import SIZES
from livedream.errors import ProtocolError
from livedream.frame import Image, resize, working_size
from livedream.ipc.protocol import DreamStatus, Order
from livedream.ipc.room_messages import (
    MAX_MESSAGE_BYTES,
    Coding,
    Join,
    Moved,
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
from livedream.sources import open_source
from tests.bench.room_figures import Answer, Found, Told

#: This many frames of the video are played there and back.
FRAMES = 90
#: A picture that is not answered for so long is given up, and the newest sent.
_GIVEN_UP_S = 2.0
_RETRY_S = 0.25
_SENDABLE_S = 5.0


class FakeMirror(msgspec.Struct, frozen=True, kw_only=True):
    """One mirror: its layer, the rate of its camera, and what it is shown.

    It wants the smallest working size and one step, where no governor can give way: so ticks are comparable.
    """

    name: str
    layer: str = "parts"
    camera_hz: float = 30.0
    working_px: int = SIZES[0]
    steps: int = 1
    dream_hz: float = 60.0
    source: str = "clouds"

    @property
    def settings(self) -> Settings:
        """What it wants."""
        return Settings(
            working_px=self.working_px,
            layer=self.layer,
            steps=self.steps,
            octaves=2,
            dream_rate_hz=self.dream_hz,
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the mirrors are to do. ``url`` is the room's; its token is in LIVEDREAM_ROOM_TOKEN.

    Measured is from ``settle_s`` after all have a residual, for ``seconds``. The word ``measuring`` is
    printed when that begins.
    """

    url: str
    mirrors: tuple[FakeMirror, ...]
    seconds: float = 20.0
    settle_s: float = 3.0
    patience_s: float = 60.0
    apart_s: float = 0.3
    coding: Coding = "raw"


class Camera:
    """A video, played there and back at ``hz``; each frame is packed once for each size."""

    def __init__(self, images: Sequence[Image], hz: float, coding: Coding) -> None:
        self._images, self.hz, self._coding = images, hz, coding
        self._began_s = time.monotonic()
        self._packed: dict[tuple[int, int], bytes] = {}

    def newest(self, now: float) -> int:
        """The number of the newest frame."""
        return int((now - self._began_s) * self.hz)

    def time_s(self, number: int) -> float:
        """When a frame was captured."""
        return self._began_s + number / self.hz

    def image(self, number: int, working_px: int) -> Image:
        """A frame at working size."""
        image = self._images[_there_and_back(number, len(self._images))]
        return resize(image, *working_size(image.shape[1], image.shape[0], working_px))

    def picture(self, number: int, working_px: int) -> bytes:
        """The message with a frame."""
        image = self.image(number, working_px)
        key = _there_and_back(number, len(self._images)), working_px
        pixels = self._packed.get(key)
        if pixels is None:
            pixels = self._packed[key] = encode_picture(image, self._coding)
        size = image.shape[1], image.shape[0]
        visible = self._images[0].shape[1], self._images[0].shape[0]
        time_s = self.time_s(number)
        return pack(
            Picture(index=number, time_s=time_s, size=size, visible=visible, coding=self._coding), pixels
        )


def _there_and_back(number: int, count: int) -> int:
    phase = number % max(1, 2 * count - 2)
    return min(phase, 2 * count - 2 - phase) if count > 1 else 0


class Client:
    """One mirror's connection, kept up until it is told to end."""

    def __init__(self, plan: Plan, mirror: FakeMirror, images: Sequence[Image]) -> None:
        self._plan, self._mirror = plan, mirror
        self.camera = Camera(images, mirror.camera_hz, plan.coding)
        self.found = Found(name=mirror.name, layer=mirror.layer, camera_hz=mirror.camera_hz)
        self.dreamt = asyncio.Event()
        self.measured = False
        self.last: tuple[int, tuple[RoomResidual, bytes]] | None = None
        self._sent_s: dict[int, float] = {}
        self._working_px = 0
        self._free = asyncio.Event()

    def begin(self, now: float) -> None:
        """Measure from now on."""
        self.measured, self.found.began_s = True, now

    def end(self, now: float) -> None:
        """Measure no longer."""
        self.measured, self.found.ended_s = False, now

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Join, and join again; until it is cancelled."""
        while True:
            try:
                # No proxies, no compression: what a mirror does.
                async with http.ws_connect(
                    self._plan.url, max_msg_size=MAX_MESSAGE_BYTES, compress=0, heartbeat=5.0
                ) as socket:
                    await self._joined(socket)
            except (aiohttp.ClientError, OSError, ProtocolError, TimeoutError) as error:
                self._noted(self.found.errors, f"{type(error).__name__}: {error}")
            if self.measured:
                self.found.losses += 1
            await asyncio.sleep(_RETRY_S)

    async def _joined(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._join(socket)
        sending = asyncio.create_task(self._send(socket))
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    await self._take(socket, message.data)
        finally:
            sending.cancel()
            await asyncio.wait({sending})
            if not sending.cancelled() and (error := sending.exception()):
                self._noted(self.found.errors, f"{type(error).__name__}: {error}")

    async def _join(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        mirror = self._mirror
        self._working_px = 0
        order = Order(number=1, settings=mirror.settings, camera_hz=mirror.camera_hz)
        await self._put(socket, pack(Join(mirror=mirror.name, order=order)))
        if self.last is not None:
            number, (residual, pixels) = self.last
            image = encode_picture(self.camera.image(number, max(residual.size)), "jpeg")
            carried = decode_residual(pixels, residual.size, residual.scale, residual.coding)
            again, scale = encode_residual(carried, self._plan.coding)
            seed = Seed(size=residual.size, image_bytes=len(image), scale=scale, coding=self._plan.coding)
            await self._put(socket, pack(seed, image + again))
        self.found.joins += 1

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, data: bytes) -> None:
        now = time.monotonic()
        if self.measured:
            self.found.down_bytes += len(data)
        message, pixels = from_room(data)
        match message:
            case Welcome():
                self._working_px = message.working_px
                self._free.set()
            case DreamStatus():
                self._working_px = message.governor.working_px or self._working_px
                if self.measured:
                    self.found.told.append(Told(now, message.ticks, max(message.working_size)))
                if message.error:
                    self._noted(self.found.errors, message.error)
            case RoomResidual():
                sent_s = self._sent_s.pop(message.index, None)
                self.last = message.index, (message, bytes(pixels))
                if self.measured and sent_s is not None:
                    self.found.answers.append(
                        Answer(now, now - message.time_s, now - sent_s, message.tick_s, message.waited_s)
                    )
                self.dreamt.set()
                self._free.set()
            case Moved():
                self.found.moves += 1
                await self._join(socket)
            case Refused():
                self._noted(self.found.refusals, f"{message.why}: {message.message}")
                await asyncio.sleep(message.retry_s)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """The newest frame, whenever the last one's residual is there."""
        last = -1
        while True:
            try:
                async with asyncio.timeout(_GIVEN_UP_S):
                    await self._free.wait()
            except TimeoutError:
                self.found.unanswered += self.measured
            self._free.clear()
            if not self._working_px:  # not welcome yet
                continue
            early_s = self.camera.time_s(last + 1) - time.monotonic()
            if early_s > 0:
                await asyncio.sleep(early_s)
            now = time.monotonic()
            last = self.camera.newest(now)
            self._sent_s = {last: now}
            await self._put(socket, self.camera.picture(last, self._working_px))

    async def _put(self, socket: aiohttp.ClientWebSocketResponse, data: bytes) -> None:
        if self.measured:
            self.found.up_bytes += len(data)
        async with asyncio.timeout(_SENDABLE_S):
            await socket.send_bytes(data)

    def _noted(self, texts: list[str], text: str) -> None:
        if text not in texts:
            texts.append(text)


def frames(source: str) -> list[Image]:
    """The first frames of a source, as a camera would give them, but small."""
    with open_source(source, realtime=False) as opened:
        return [small(frame.image) for frame in itertools.islice(opened, FRAMES)]


def small(image: Image) -> Image:
    """640 pixels wide at most."""
    return resize(image, *working_size(image.shape[1], image.shape[0], min(640, max(image.shape[:2]))))


async def follow(plan: Plan) -> list[Found]:
    """Run all mirrors; what each found. Raises ``TimeoutError`` when one has no dream for too long."""
    pictures = {source: frames(source) for source in {mirror.source for mirror in plan.mirrors}}
    clients = [Client(plan, mirror, pictures[mirror.source]) for mirror in plan.mirrors]
    token = os.environ.get("LIVEDREAM_ROOM_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
        running = []
        try:
            for client in clients:  # as people start mirrors: one after the other
                running.append(asyncio.create_task(client.run(http)))
                await asyncio.sleep(plan.apart_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(plan.patience_s):
                    await asyncio.gather(*(client.dreamt.wait() for client in clients))
            await asyncio.sleep(plan.settle_s)
            sys.stdout.write("measuring\n")
            sys.stdout.flush()
            for client in clients:
                client.begin(time.monotonic())
            await asyncio.sleep(plan.seconds)
            for client in clients:
                client.end(time.monotonic())
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
    return [client.found for client in clients]


def main(words: Sequence[str] | None = None) -> int:
    """Follow the plan."""
    (text,) = sys.argv[1:] if words is None else words
    cv2.setNumThreads(1)
    found = asyncio.run(follow(msgspec.json.decode(text, type=Plan)))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
