"""One mirror's way through the ingress: to a replica that dreams for it, and to another when that dies.

Messages pass as they are; only their kind is looked at. Nothing is kept here: who reads slowly is sent no
more, and what waits then waits where newer replaces older, in the replica or in the mirror.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from livedream.allowance import Allowance
from livedream.errors import ProtocolError
from livedream.ipc.room_messages import (
    MAX_MESSAGE_BYTES,
    FromRoom,
    Moved,
    Refusal,
    Refused,
    from_room,
    pack,
)
from livedream.room.placing import Alive, Dreams, Full, Place, PlacingError

log = logging.getLogger(__name__)

#: The kinds of what a mirror sends, and of what is looked at here.
_FROM_MIRROR, _JOIN, _REFUSED = (b"J", b"O", b"P", b"S", b"G"), b"J", b"X"
_PAUSE_S, _LAST_WORDS_S = 0.1, 1.0
#: Replicas that answer no ping within half of this are gone with their machine: a process that dies is
#: noticed at once.
_REPLICA_PING_S = 6.0


@dataclass(frozen=True)
class RelayLimits:
    """What a mirror may send, and how long is waited for whom.

    ``messages_per_s``: a camera of 120 Hz, and a fader that is moved meanwhile. ``bytes_per_s``: the largest
    pictures, raw, 60 times a second. ``place_s`` is how long a free place is looked for, for who comes, and
    ``new_place_s`` for who has lost one: Ray starts a new replica in three seconds, and what that needs to
    load takes as long again.
    """

    messages_per_s: float = 240.0
    bytes_per_s: float = 200e6
    idle_s: float = 60.0
    rejoin_s: float = 10.0
    open_s: float = 2.0
    place_s: float = 2.0
    new_place_s: float = 15.0


class _NoPlaceError(Exception):
    """No replica takes this mirror."""

    def __init__(self, full: Full) -> None:
        super().__init__(full.message)
        self.full = full


class _RefusalError(Exception):
    """What is to be said to the mirror before its connection is closed."""

    def __init__(self, why: Refusal, message: str, retry_s: float = 0.0) -> None:
        super().__init__(message)
        self.refused = Refused(why=why, message=message, retry_s=retry_s)


class _MirrorGoneError(Exception):
    """Nothing can be sent to the mirror any more."""


class Relay:
    """Between a mirror, whose connection is open, and the replicas.

    ``name`` is the mirror's, for people; ``tell`` is called with what becomes of it, in words. ``stats`` are
    the replica's about this session, ``replica`` is its name, empty while there is none.
    """

    def __init__(
        self,
        mirror: web.WebSocketResponse,
        client: aiohttp.ClientSession,
        dreams: Dreams,
        *,
        name: str,
        limits: RelayLimits,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mirror, self._client, self._dreams = mirror, client, dreams
        self.name, self._limits, self._tell, self._clock = name, limits, tell, clock
        self.stats: dict[str, Any] = {}
        self.replica = ""
        self.moves = 0
        self._leaves = False  # of its own will
        self._room: aiohttp.ClientWebSocketResponse | None = None
        self._opened, self._joined = asyncio.Event(), asyncio.Event()

    async def run(self, join: bytes) -> None:
        """Relay until either side ends it. ``join`` is the mirror's first message."""
        listening = asyncio.create_task(self._hear_mirror())
        dreaming = asyncio.create_task(self._dream(join))
        try:
            done, _ = await asyncio.wait((listening, dreaming), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except _RefusalError as error:
            await self._say(error.refused)
        except _MirrorGoneError:
            pass
        finally:
            for task in (listening, dreaming):
                task.cancel()
            await asyncio.gather(listening, dreaming, return_exceptions=True)

    async def move(self) -> None:
        """Look for another replica: this one has more sessions than others."""
        self._leaves = True
        if self._room is not None:
            await self._room.close()

    async def end(self, refused: Refused) -> None:
        """Say a last word to the mirror, and let it go."""
        await self._say(refused)
        await self._mirror.close()

    async def _hear_mirror(self) -> None:
        """Pass on what the mirror sends, until it leaves."""
        await self._opened.wait()  # its first messages matter all, and wait in the connection meanwhile
        limits = self._limits
        messages = Allowance(limits.messages_per_s, self._clock)
        amount = Allowance(limits.bytes_per_s, self._clock)
        while True:
            try:
                message = await self._mirror.receive(timeout=limits.idle_s)
            except TimeoutError:
                raise _RefusalError("closing", f"nothing was heard for {limits.idle_s:.0f} s") from None
            if message.type in (web.WSMsgType.CLOSE, web.WSMsgType.CLOSING, web.WSMsgType.CLOSED):
                return
            if (
                message.type is web.WSMsgType.ERROR
            ):  # too large, or no WebSocket any more: aiohttp has closed it
                return
            data = message.data
            if message.type is not web.WSMsgType.BINARY or data[:1] not in _FROM_MIRROR:
                raise _RefusalError("invalid", "what came is no message of a mirror")
            if not messages.allows():
                text = f"more than {limits.messages_per_s:.0f} messages a second came"
                raise _RefusalError("invalid", text)
            if not amount.allows(len(data)):
                text = f"more than {limits.bytes_per_s / 1e6:.0f} MB a second came"
                raise _RefusalError("invalid", text)
            if self._room is None:
                continue
            if data[:1] == _JOIN:
                self._joined.set()
            if self._joined.is_set():  # what comes before it was for the replica that has gone
                with suppress(ConnectionError, aiohttp.ClientError):  # noticed where its answers are read
                    await self._room.send_bytes(data)

    async def _dream(self, join: bytes) -> None:
        """Have a replica dream, and another when it has gone, until one has refused or there is none."""
        patience_s = self._limits.place_s
        while True:
            try:
                session, room, place = await self._open(patience_s)
            except _NoPlaceError as error:
                raise _RefusalError("full", error.full.message, error.full.retry_s) from error
            watching = asyncio.create_task(self._watch(session, room))
            try:
                self._room = room
                if self._opened.is_set():
                    await self._rejoin(place)
                else:
                    await room.send_bytes(join)
                    self._joined.set()
                    self._opened.set()
                self.replica = place.replica
                if await self._hear_room(room):
                    return
            except (ConnectionError, aiohttp.ClientError) as error:
                log.info("%s: %s", self.name, error)
            finally:
                self._room = None
                self._joined.clear()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
                await room.close()
                await session.aclose()
            self._tell(f"{self.name} {'leaves' if self._leaves else 'lost'} its replica {self.replica}")
            patience_s = self._limits.new_place_s

    async def _open(
        self, patience_s: float
    ) -> tuple[AsyncGenerator[Place | Full | Alive], aiohttp.ClientWebSocketResponse, Place]:
        """A session, and the connection to its replica. Raises ``_NoPlaceError``."""
        until, full = self._clock() + patience_s, Full("the room is full")
        while True:
            session = self._dreams.session(self.name)
            try:
                async with asyncio.timeout(self._limits.open_s):
                    first = await anext(session)
                    if isinstance(first, Place):
                        return session, await self._connect(first), first
                    if isinstance(first, Full):
                        full = first
            except (TimeoutError, StopAsyncIteration, PlacingError, OSError, aiohttp.ClientError) as error:
                log.info("%s found no place: %s", self.name, error or type(error).__name__)
            except asyncio.CancelledError:
                await session.aclose()
                raise
            await session.aclose()
            if self._clock() >= until:
                raise _NoPlaceError(full)
            await asyncio.sleep(_PAUSE_S)

    async def _connect(self, place: Place) -> aiohttp.ClientWebSocketResponse:
        return await self._client.ws_connect(
            f"ws://{place.host}:{place.port}/",
            headers={"Authorization": f"Bearer {place.ticket}"},
            max_msg_size=MAX_MESSAGE_BYTES,
            heartbeat=_REPLICA_PING_S,
            compress=0,
        )

    async def _rejoin(self, place: Place) -> None:
        """Tell the mirror that another replica is there, and wait until it has joined that."""
        self.moves += 1
        leaves, self._leaves = self._leaves, False
        what = "has more mirrors than another" if leaves else "is gone"
        await self._answer(pack(Moved(reason=f"the replica {self.replica} {what}")))
        try:
            async with asyncio.timeout(self._limits.rejoin_s):
                await self._joined.wait()
        except TimeoutError:
            raise _RefusalError("invalid", "the mirror was moved, and did not join again") from None
        self._tell(f"{self.name} moved to the replica {place.replica}")

    async def _hear_room(self, room: aiohttp.ClientWebSocketResponse) -> bool:
        """Pass on what the replica sends, until it ends; whether that was meant for the mirror."""
        async for message in room:
            if message.type is not aiohttp.WSMsgType.BINARY:
                return False
            if message.data[:1] == _REFUSED:
                refused = _header(message.data)
                if isinstance(refused, Refused) and refused.why != "closing":
                    self._tell(f"{self.name} was refused: {refused.message}")
                    await self._answer(message.data)
                    return True
                return False
            await self._answer(message.data)
        return False

    async def _watch(
        self, session: AsyncGenerator[Place | Full | Alive], room: aiohttp.ClientWebSocketResponse
    ) -> None:
        """Keep the session, and end the connection to its replica when it ends."""
        try:
            async for sign in session:
                if isinstance(sign, Alive):
                    self.stats = sign.stats
        except PlacingError as error:
            log.info("%s: %s", self.name, error)
        await room.close()

    async def _answer(self, data: bytes) -> None:
        """Send to the mirror; while it reads slowly this waits. Raises ``_MirrorGoneError``."""
        try:
            await self._mirror.send_bytes(data)
        except (ConnectionError, RuntimeError) as error:  # aiohttp raises the second for one that was closed
            raise _MirrorGoneError from error

    async def _say(self, refused: Refused) -> None:
        self._tell(f"{self.name} was refused: {refused.message}")
        with suppress(_MirrorGoneError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await self._answer(pack(refused))


def _header(data: bytes) -> FromRoom | None:
    with suppress(ProtocolError):
        return from_room(data)[0]
    return None
