"""One session in a room: pictures go up and residuals come down, over a WebSocket that is open."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress

import aiohttp
import cv2

from livedream.allowance import Allowance
from livedream.dream.guides import load_guide
from livedream.dream.room_exchange import Dreamt, Exchange
from livedream.dream.room_words import refusal
from livedream.errors import LivedreamError, ProtocolError, one_line
from livedream.frame import LARGEST_SIDE_PX, Image, crop_to_aspect, resize, working_size
from livedream.ipc.protocol import DreamStatus, Order
from livedream.ipc.room_messages import (
    MAX_MESSAGE_BYTES,
    Coding,
    GuideImage,
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
from livedream.ipc.slots import Slot
from livedream.timing import now_s

log = logging.getLogger(__name__)

#: How long to wait for any message, and for an answer before the next picture.
_SILENT_S, _ANSWER_S = 15.0, 1.0
#: How long to listen for the reason when nothing can be sent any more.
_LAST_WORDS_S = 0.5
#: How long a disk may take to give a guide.
_GUIDE_S = 10.0
#: Where no frame is new for so long, as of a photograph, the last one is sent again: the room dreams on.
_AGAIN_S = 0.06
#: How often a new frame is looked for.
_LOOK_S = 0.003
#: No room sends more messages a second, or more residuals in a row that nobody asked for.
_MOST_MESSAGES, _MOST_UNASKED = 400, 8
#: The sides of a residual are as those of its picture, but for their rounding to even numbers.
_SHAPE_TOLERANCE = 0.12
#: So many pictures may be on their way: the next is sent though an answer is lost.
_MOST_SENT = 4


class RoomSession:
    """One WebSocket: a task that sends, and one that receives. ``frames`` is the camera's slot.

    ``mirror`` is this one's name, ``coding`` how pixels travel.
    """

    def __init__(
        self,
        exchange: Exchange,
        socket: aiohttp.ClientWebSocketResponse,
        frames: Slot,
        mirror: str,
        coding: Coding,
    ) -> None:
        self._exchange, self._socket, self._frames = exchange, socket, frames
        self._mirror, self._coding = mirror, coding
        self._working_px = 0
        self._sent: OrderedDict[int, tuple[Image, float, float | None, float]] = OrderedDict()
        self._answered = asyncio.Event()
        self._welcomed = self._moved = False
        self._seeds = 0
        self._guide = ""
        self._unasked = 0
        self._allowance = Allowance(_MOST_MESSAGES, now_s, burst_s=1.0)

    async def run(self) -> None:
        """Talk until it ends. Raises whatever ends it."""
        receiving, sending = tasks = [asyncio.create_task(work()) for work in (self._receive, self._send)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([receiving], timeout=_LAST_WORDS_S)  # which may say why nothing can be sent
            (receiving if receiving.done() else sending).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _put(self, data: bytes) -> None:
        await self._socket.send_bytes(data)
        self._exchange.measures.up(len(data), now_s())

    async def _send(self) -> None:
        exchange = self._exchange
        while exchange.order is None:
            await asyncio.sleep(_LOOK_S)
        order = await self._join()
        seq, sent_s = 0, 0.0
        while True:
            if self._moved:
                self._moved = False
                order = await self._join()
            if exchange.order is not order and exchange.order is not None:
                order = exchange.order
                await self._send_guide(order)
                await self._put(pack(order))
            if self._seeds != exchange.seeds:
                await self._send_seed()
            now = now_s()
            if self._sent and now - sent_s < _ANSWER_S:
                self._answered.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._answered.wait(), _LOOK_S * 4)
                continue
            spacing_s = max(exchange.spacing_s, 1 / order.settings.dream_rate_hz)
            again = now - sent_s >= max(_AGAIN_S, spacing_s)
            newest = self._frames.seq
            if self._welcomed and newest and now - sent_s >= spacing_s and (newest != seq or again):
                value = self._frames.read()
                if value is not None:
                    seq, sent_s = value.seq, now
                    image = self._scaled(value.array, order)
                    await self._send_picture(image, value.index, value.time_s, order)
                    continue
            await asyncio.sleep(_LOOK_S)

    async def _join(self) -> Order:
        order = self._exchange.order
        assert order is not None
        self._sent.clear()
        self._guide = ""
        await self._put(pack(Join(mirror=self._mirror, order=order)))
        await self._send_guide(order)
        await self._send_seed()
        self._exchange.sessions += 1
        return order

    async def _send_guide(self, order: Order) -> None:
        """The guide that the order names, small: a room has none of this machine's files."""
        path = order.settings.guide
        if not path or path == self._guide:
            return
        self._guide = path
        try:
            async with asyncio.timeout(_GUIDE_S):
                image = await asyncio.to_thread(load_guide, path)
        except (LivedreamError, TimeoutError):
            return  # the dream here says so
        _, found = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        await self._put(pack(GuideImage(path=path), found.tobytes()))

    async def _send_seed(self) -> None:
        self._seeds = self._exchange.seeds
        seed = self._exchange.seed
        if seed is None:
            return
        coding = self._coding
        image, (residual, scale) = encode_picture(seed.frame, "jpeg"), encode_residual(seed.residual, coding)
        height, width = seed.residual.shape[:2]
        message = Seed(size=(width, height), image_bytes=len(image), scale=scale, coding=coding)
        await self._put(pack(message, image + residual))

    def _scaled(self, image: Image, order: Order) -> tuple[Image, tuple[int, int]]:
        visible = crop_to_aspect(image, order.aspect)
        height, width = visible.shape[:2]
        size = working_size(width, height, self._working_px)
        return resize(visible, *size), (width, height)

    async def _send_picture(
        self, scaled: tuple[Image, tuple[int, int]], index: int, time_s: float, order: Order
    ) -> None:
        (image, visible), coding = scaled, self._coding
        height, width = image.shape[:2]
        picture = Picture(index=index, time_s=time_s, size=(width, height), visible=visible, coding=coding)
        data = pack(picture, encode_picture(image, coding))
        self._sent.pop(index, None)
        self._sent[index] = (image, time_s, order.aspect, now_s())
        while len(self._sent) > _MOST_SENT:
            self._sent.popitem(last=False)
        await self._put(data)

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_SILENT_S) as patience:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.BINARY:
                    raise ProtocolError("it sends text")
                self._count(len(message.data))
                self._take(message.data)
                patience.reschedule(loop.time() + _SILENT_S)
        if (error := self._socket.exception()) is not None:
            raise error
        if self._socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            raise ProtocolError(f"a message has more than {MAX_MESSAGE_BYTES} bytes")

    def _count(self, size: int) -> None:
        self._exchange.measures.down(size, now_s())
        if not self._allowance.allows():
            raise ProtocolError(f"more than {_MOST_MESSAGES} messages in a second")

    def _take(self, data: bytes) -> None:
        """What the room says. Raises ``ProtocolError`` and ``RoomError``."""
        message, pixels = from_room(data)
        exchange = self._exchange
        if isinstance(message, Refused):
            raise refusal(message)
        if isinstance(message, Welcome):
            self._welcomed = True
            self._working_px = _working_px(message.working_px)
            exchange.name = one_line(message.room, 60)
            exchange.state, exchange.why = "trying", ""
        elif isinstance(message, Moved):
            self._moved, self._welcomed = True, False
            log.info("%s", one_line(message.reason) or "the dream moves in the room")
        elif isinstance(message, DreamStatus):
            exchange.status = message
            self._working_px = _working_px(message.governor.working_px) or self._working_px
        else:
            self._residual(message, pixels)

    def _residual(self, message: RoomResidual, pixels: memoryview) -> None:
        asked = self._sent.get(message.index)
        if asked is None:  # of a picture that was given up, or of nobody's
            self._unasked += 1
            if self._unasked > _MOST_UNASKED:
                raise ProtocolError(f"{self._unasked} residuals in a row that nobody asked for")
            return
        self._unasked = 0
        while self._sent.popitem(last=False)[0] != message.index:
            pass  # those before it will not be answered any more
        now, exchange = now_s(), self._exchange
        residual = decode_residual(pixels, message.size, message.scale, message.coding)
        frame, time_s, aspect, sent_s = asked
        height, width = residual.shape[:2]
        wanted = frame.shape[1] / frame.shape[0]
        if abs(width / height / wanted - 1) > _SHAPE_TOLERANCE:
            raise ProtocolError(
                f"a residual of {width}×{height} for {frame.shape[1]}×{frame.shape[0]} pixels"
            )
        newest = exchange.order.number if exchange.order else 0
        exchange.measures.answered((now - sent_s) * 1e3)
        exchange.newest = Dreamt(
            frame=resize(frame, width, height),
            residual=residual,
            index=message.index,
            time_s=time_s,
            aspect=aspect,
            order=min(max(0, message.order), newest),
            took_s=now - sent_s,
        )
        self._answered.set()
        exchange.arrived.set()


def _working_px(px: int) -> int:
    """A size that a room wants, within what there is; 0 for none."""
    return min(max(0, px), LARGEST_SIDE_PX)
