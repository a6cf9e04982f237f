"""The mirror's connection to a room, which is made again and again until it is closed.

A thread of its own waits for the network; the dream's loop never does. aiohttp is imported here, and this
module only where a room is wanted.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from contextlib import suppress

import aiohttp

from livedream.dream.room_exchange import Exchange
from livedream.dream.room_session import RoomSession
from livedream.dream.room_words import LOST, RedirectedError, RoomError, trouble
from livedream.ipc.room_messages import MAX_MESSAGE_BYTES, Coding
from livedream.ipc.slots import Slot
from livedream.room_address import RoomAddress, RoomKeys
from livedream.timing import now_s

log = logging.getLogger(__name__)

#: How long to wait for a connection, and how often it is asked for a sign of life.
_CONNECT_S, _PING_S = 5.0, 5.0
#: Delays between tries: the first, how much longer each is, the longest. They begin anew after a connection
#: that lasted so long.
_FIRST_DELAY_S, _GROWTH, _LONGEST_DELAY_S, _LASTED_S = 1.0, 1.5, 15.0, 10.0


class RoomClient:
    """Talks with the room at ``address`` in a thread, again and again, until :meth:`close`.

    ``frames`` is the camera's slot, ``mirror`` this mirror's name.
    """

    def __init__(
        self, address: RoomAddress, exchange: Exchange, frames: Slot, keys: RoomKeys, mirror: str
    ) -> None:
        self.address, self._exchange = address, exchange
        self._frames, self._keys, self._mirror = frames, keys, mirror
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="room", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave. Does not wait. May be called twice."""
        self._closed = True
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # it has just ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            asyncio.run(self._keep())
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("the connection to the room failed")
            self._exchange.state = "waiting"
            self._exchange.why = "the connection to the room failed; see the log"

    async def _keep(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        exchange, delay_s, address = self._exchange, _FIRST_DELAY_S, self.address
        if self._keys.token_for(address) and address.scheme == "ws" and not address.local:
            log.warning("%s: token and pictures travel as they are; wss:// encrypts them", address.url)
        while not self._closed:
            began_s = now_s()
            exchange.state = "connecting"
            token = self._keys.token_for(self.address)
            try:
                await self._session(token)
                raise RoomError("the room has closed the connection")
            except Exception as error:
                found = trouble(error, sent_token=bool(token), has_token=bool(self._keys.token))
                if found.fault == "room failed":
                    log.exception("the room failed")
            if found.why != exchange.why:
                log.warning("%s: %s", self.address.url, found.why)
            if exchange.status is not None:
                exchange.faults[found.fault] += 1
            elif not exchange.why:  # not at each try
                exchange.faults["room not found" if found.fault == LOST else found.fault] += 1
            exchange.why, exchange.state, exchange.status = found.why, "waiting", None
            if now_s() - began_s > _LASTED_S:
                delay_s = _FIRST_DELAY_S
            await asyncio.sleep(max(delay_s, found.retry_s))
            delay_s = min(_LONGEST_DELAY_S, _GROWTH * delay_s)

    async def _session(self, token: str) -> None:
        """One connection, to its end. Raises whatever ends it."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse)
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_connect=_CONNECT_S)
        context = _tls(self._keys.ca) if self.address.scheme == "wss" else True
        async with aiohttp.ClientSession(trace_configs=[trace], timeout=timeout) as http:
            async with asyncio.timeout(_CONNECT_S):
                socket = await http.ws_connect(
                    self.address.url,
                    headers=headers,
                    ssl=context,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    heartbeat=_PING_S,
                    compress=0,
                )
            async with socket:
                coding: Coding = "raw" if self.address.local else "jpeg"  # a network has less room
                await RoomSession(self._exchange, socket, self._frames, self._mirror, coding).run()


def _tls(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(ca)
    return context


async def _refuse(*_: object) -> None:
    raise RedirectedError
