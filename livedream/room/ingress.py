"""The ingress of a room: the one address that mirrors come to.

It knows nothing of Ray: where sessions are opened is given to it (:class:`livedream.room.placing.Dreams`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from livedream.errors import ProtocolError
from livedream.ipc.protocol import VERSION, Message
from livedream.ipc.room_messages import MAX_MESSAGE_BYTES, Join, Refused, from_mirror, pack
from livedream.room.checking import mirror_name
from livedream.room.door import Door, DoorLimits
from livedream.room.news import Newspaper
from livedream.room.placing import Dreams, Replica, overfull
from livedream.room.relay import Relay, RelayLimits
from livedream.version import version
from livedream.web.access import Access
from livedream.web.server import requests_log
from livedream.web.site import HEADERS

#: Half-open connections are noticed within half as long again: no pong has come by then.
_PING_S = 10.0
_CLOSE_S = 1.0
#: A replica says every three seconds that it is there.
_SILENT_S = 8.0
#: Each address may show ten wrong tokens a minute; this is for all together. Who guesses must not keep out
#: mirrors that come back: they have no cookie.
_WRONG_TOKENS = 10_000


@dataclass(frozen=True)
class IngressLimits:
    """All limits of a room's ingress. ``sessions`` is for all replicas together.

    ``balance_s`` is how often a replica that has two more than another gives one away.
    """

    sessions: int = 256
    balance_s: float = 2.0
    door: DoorLimits = field(default_factory=DoorLimits)
    relay: RelayLimits = field(default_factory=RelayLimits)


@dataclass
class _Session:
    relay: Relay
    address: str
    since_s: float


class Ingress:
    """Answers on ``listener``: WebSockets at ``/``, and ``/healthz``.

    ``host`` is what the listener was bound to. Without a ``token`` whoever reaches it is let in.
    """

    def __init__(
        self,
        listener: socket.socket,
        dreams: Dreams,
        *,
        host: str,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        limits: IngressLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dreams, self._clock = dreams, clock
        self._limits = limits or IngressLimits()
        self._token, self._access = token, Access(host, token, clock, _WRONG_TOKENS)
        self._server = web.Server(
            self._answer, access_log=None, logger=requests_log, lingering_time=0.0, keepalive_timeout=5.0
        )
        self._door = Door(listener, self._server, tls=tls, limits=self._limits.door, refused=self._tell_crowd)
        self._client: aiohttp.ClientSession | None = None
        self._sessions: dict[int, _Session] = {}
        self._came = 0
        self._replicas: dict[str, tuple[Replica, float]] = {}
        self.news = Newspaper()
        self._tell = self.news.tell
        self._version = version()
        self._tasks: set[asyncio.Task[None]] = set()
        self._since_s = clock()
        self._closing = False

    async def open(self) -> None:
        """Begin to answer. Called in the loop that it is to run in, and was made in."""
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, connect=2.0)
        )
        self._door.open()
        self._start(self._look_for_silent_replicas())
        self._start(self._keep_balanced())

    async def close(self) -> None:
        """Tell every mirror that the room closes, and stop. May be called twice."""
        if self._closing:
            return
        self._closing = True
        self._door.close()
        farewell = Refused(why="closing", message="the room closes")
        await asyncio.gather(*(one.relay.end(farewell) for one in self._sessions.values()))
        for task in self._tasks:
            task.cancel()
        await self._server.shutdown(_CLOSE_S)
        if self._client is not None:
            await self._client.close()

    @property
    def connections(self) -> int:
        """How many connections there are, of mirrors and of others."""
        return self._door.connections

    def heard(self, replica: Replica) -> None:
        """A replica says that it is there."""
        if replica.name not in self._replicas:
            where = f"{replica.node}, {replica.device}, process {replica.pid}"
            self._tell(f"the replica {replica.name} dreams on {where}")
        self._replicas[replica.name] = replica, self._clock()

    def health(self) -> dict[str, Any]:
        """What ``/healthz`` answers."""
        now = self._clock()
        replicas = [replica for replica, _ in self._replicas.values()]
        return {
            "ok": bool(replicas),
            "version": self._version,
            "protocol": VERSION,
            "open_s": round(now - self._since_s, 1),
            "full": self._is_full(),
            "replicas": [msgspec.to_builtins(replica) for replica in replicas],
            "sessions": [
                {
                    **one.relay.stats,
                    "mirror": one.relay.name,
                    "address": one.address,
                    "since_s": round(now - one.since_s, 1),
                    "replica": one.relay.replica,
                    "moves": one.relay.moves,
                }
                for one in self._sessions.values()
            ],
        }

    def _is_full(self) -> bool:
        replicas = [replica for replica, _ in self._replicas.values()]
        return len(self._sessions) >= self._limits.sessions or (
            bool(replicas) and all(replica.full for replica in replicas)
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        objection = self._objection(request)
        if objection:
            return _text(403, objection)
        if not self._access.admits(request):
            tired = self._access.tired_of(request)
            text = "too many wrong tokens: try again in a minute" if tired else "its token is needed"
            more = {"Retry-After": "60"} if tired else {"WWW-Authenticate": "Bearer"}
            return _text(429 if tired else 401, text, more)
        if request.method not in ("GET", "HEAD"):
            return _text(405, "a room is only asked", {"Allow": "GET, HEAD"})
        if request.path == "/healthz":
            response = web.json_response(self.health(), headers=HEADERS)
            response.force_close()
            return response
        if request.path != "/":
            return _text(404, "here are / for mirrors, and /healthz")
        mirror = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, compress=False, heartbeat=_PING_S, timeout=_CLOSE_S
        )
        if not mirror.can_prepare(request).ok:
            return _text(426, "this is a room of livedream: mirrors come here by WebSocket")
        await mirror.prepare(request)
        await self._receive(mirror, request)
        return mirror

    def _objection(self, request: web.BaseRequest) -> str:
        """Why a request is refused, whoever sends it: a browser that another site has sent here."""
        if "Origin" in request.headers:
            return "a room is for mirrors, not for browsers"
        if request.headers.get("Sec-Fetch-Site", "none") != "none":
            return "another site may not ask this"
        # With a token a name may mean this machine that it does not know of: a browser has no token.
        return "" if self._token else self._access.objection(request)

    async def _receive(self, mirror: web.WebSocketResponse, request: web.BaseRequest) -> None:
        """One mirror, from its first message to its end. The door cuts off who sends none."""
        first = await mirror.receive()
        if first.type is web.WSMsgType.BINARY:
            refused, name = self._admission(first.data)
        elif first.type is web.WSMsgType.TEXT:
            refused, name = Refused(why="invalid", message="this is no mirror: it sends text"), ""
        else:
            return
        address = request.remote or ""
        if refused is not None:
            self._tell(f"{name or 'somebody'} at {address} was refused: {refused.message}")
            with suppress(ConnectionError, RuntimeError, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await mirror.send_bytes(pack(refused))
                    await mirror.close()
            return
        self._door.welcome(request.transport)
        assert self._client is not None
        relay = Relay(
            mirror,
            self._client,
            self._dreams,
            name=name,
            limits=self._limits.relay,
            tell=self._tell,
            clock=self._clock,
        )
        self._came += 1
        number, began = self._came, self._clock()
        self._sessions[number] = _Session(relay, address, began)
        self._tell(f"{name} came from {address}")
        try:
            await relay.run(first.data)
        finally:
            del self._sessions[number]
            self._tell(f"{name} has gone, after {self._clock() - began:.0f} s")
            await mirror.close()

    def _admission(self, data: bytes) -> tuple[Refused | None, str]:
        """Why a mirror with this first message is not let in, if it is not, and its name, if it has one."""
        theirs = _version_of(data)
        if theirs not in (None, VERSION):
            # In the mirror's own version, so that it understands that much.
            text = f"this room speaks version {VERSION} of the protocol, the mirror {theirs}"
            text += ": run the same livedream on both"
            return Refused(version=theirs or VERSION, why="version", message=text), ""
        try:
            join = from_mirror(data)[0]
        except ProtocolError as error:
            return Refused(why="invalid", message=str(error)), ""
        if not isinstance(join, Join):
            text = f"a mirror's first message is Join; this was {type(join).__name__}"
            return Refused(why="invalid", message=text), ""
        name = mirror_name(join.mirror)
        if self._closing:
            return Refused(why="closing", message="the room closes"), name
        if len(self._sessions) >= self._limits.sessions:
            text = f"the room is full: {len(self._sessions)} mirrors dream here"
            return Refused(why="full", message=text, retry_s=10.0), name
        return None, name

    async def _look_for_silent_replicas(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = self._clock()
            for name, (_, heard_s) in list(self._replicas.items()):
                if now - heard_s > _SILENT_S:
                    del self._replicas[name]
                    self._tell(f"the replica {name} is gone")

    async def _keep_balanced(self) -> None:
        """Give each replica its part of the mirrors, one move at a time."""
        before = ""
        while True:
            await asyncio.sleep(self._limits.balance_s)
            relays = [one.relay for one in self._sessions.values()]
            counts = Counter(relay.replica for relay in relays)
            name = overfull(counts, [replica for replica, _ in self._replicas.values()])
            if name and name == before:  # not what only just came to be
                await next(relay for relay in relays[::-1] if relay.replica == name).move()
                name = ""
            before = name

    def _tell_crowd(self, address: str) -> None:
        self._tell(f"too many connections from {address}: one more was closed")

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _version_of(data: bytes) -> int | None:
    """The protocol's version in a message's header, None where there is none to be found."""
    length = int.from_bytes(data[1:5], "big")
    try:
        return msgspec.msgpack.decode(memoryview(data)[5 : 5 + length], type=Message).version
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None


def _text(status: int, text: str, more: dict[str, str] | None = None) -> web.Response:
    response = web.Response(status=status, text=f"{text}\n", headers={**HEADERS, **(more or {})})
    response.force_close()
    return response
