"""The server of a replica: each mirror that it lets in has a WebSocket and a session of its own.

It runs in a thread with an event loop. Mirrors do not come here by themselves: the room's ingress asks for a
ticket (:meth:`Sessions.admit`), and connects with it in the mirror's name. An ``open`` server, for tests and
measurements, lets in whoever comes while there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import threading
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from livedream.allowance import Allowance
from livedream.errors import LivedreamError, ProtocolError, VersionError
from livedream.ipc.room_messages import (
    MAX_MESSAGE_BYTES,
    FromMirror,
    Join,
    Refusal,
    Refused,
    Welcome,
    from_mirror,
    pack,
)
from livedream.resource import Resource
from livedream.room.admission import RETRY_S, objection
from livedream.room.checking import mirror_name
from livedream.room.machine import Machine
from livedream.room.placing import Full
from livedream.room.session import Session
from livedream.timing import Pacer, now_s
from livedream.web.server import bound

log = logging.getLogger(__name__)

#: Who has a ticket connects within this time, and whoever has connected joins within it.
_ARRIVE_S = 10.0
#: A connection whose other end has gone without a word is noticed after one and a half of these.
_PING_S = 6.0
#: No tick takes so long; PyTorch's first, on a slow card, is the longest.
_HUNG_S = 60.0
_CLOSE_S = 1.0
_STATUS_HZ = 10.0
#: A message that is a little too long is answered; what is longer ends the connection.
_LONGEST_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
#: A mirror sends a picture and an order for each of its frames, at most.
_MESSAGES_HZ, _BYTES_HZ = 250.0, 160e6


@dataclass(frozen=True)
class Ticket:
    """Lets one mirror in, once: its connection shows ``token`` as ``Authorization: Bearer``."""

    token: str
    name: str


@dataclass
class _Seat:
    """A place that somebody has, or will have when they show their ticket."""

    until_s: float
    session: Session | None = None
    socket: web.WebSocketResponse | None = None


class Sessions(Resource):
    """Serves at most ``most`` sessions on ``machine``, on ``host`` and ``port`` (0: any free one).

    Raises ``OutputError`` if the port is taken. What :meth:`admit` to :meth:`stats` say, any thread may ask.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        most: int = 8,
        open: bool = False,
        name: str = "",
    ) -> None:
        self._machine, self._most, self._open = machine, most, open
        self._name = name or socket.gethostname()
        self._socket = bound(host, port, "a room", "another port")
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self._seats: dict[str, _Seat] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        #: Why nothing can be dreamt here any more, or "".
        self.error = ""
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://{self.host}:{self.port}"

    def admit(self, name: str) -> Ticket | Full:
        """A place for the mirror called ``name``, who has to come for it soon."""
        now = now_s()
        with self._lock:
            if self._closed:
                return Full("the room is closing", RETRY_S)
            reason = self._objection(now)
            if reason:
                return Full(f"the room is full: {reason}", RETRY_S)
            ticket = Ticket(secrets.token_urlsafe(24), mirror_name(name))
            self._seats[ticket.token] = _Seat(now + _ARRIVE_S)
            return ticket

    def full(self) -> bool:
        """Whether there is no place for one mirror more."""
        with self._lock:
            return self._closed or bool(self._objection(now_s()))

    def holds(self, ticket: Ticket) -> bool:
        """Whether ``ticket``'s mirror is here, or may still come."""
        with self._lock:
            self._forget(now_s())
            return ticket.token in self._seats

    def withdraw(self, ticket: Ticket) -> None:
        """End the ticket's session, or the place that is kept for it."""
        with self._lock:
            seat = self._seats.pop(ticket.token, None)
        if seat is not None and seat.session is not None:
            seat.session.close()

    def figures(self, ticket: Ticket) -> dict[str, Any]:
        """What the ticket's session does, for people; nothing while its mirror has not come."""
        with self._lock:
            seat = self._seats.get(ticket.token)
        return {} if seat is None or seat.session is None else seat.session.figures()

    def stats(self) -> dict[str, Any]:
        """Who is here, and how busy this is: for people, and as JSON."""
        with self._lock:
            sessions = [seat.session for seat in self._seats.values() if seat.session is not None]
        return {
            "device": self._machine.device,
            "most": self._most,
            "tick_ms": round(1e3 * self._machine.tick_s, 2),
            "sessions": [session.figures() for session in sessions],
        }

    def check(self) -> None:
        """Raises ``LivedreamError`` when nothing can be dreamt here any more, and another process has to."""
        if not self.error and self._machine.turns.longest_s() > _HUNG_S:
            self.error = f"a tick has not ended for {_HUNG_S:.0f} s"
        if self.error:
            raise LivedreamError(self.error)

    def close(self) -> None:
        """End all sessions and stop serving, within seconds. May be called twice."""
        with self._lock:
            closed, self._closed = self._closed, True
            sessions = [seat.session for seat in self._seats.values() if seat.session is not None]
        if closed:
            return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSE_S + 1)
        for session in sessions:
            session.close()
            session.join(_CLOSE_S)

    def _objection(self, now: float) -> str:
        """Why one mirror more would be too many, or ""."""
        self._forget(now)
        loads = [seat.session.load() for seat in self._seats.values() if seat.session is not None]
        waiting = len(self._seats) - len(loads)
        return objection(
            loads,
            self._machine.tick_s,
            most=self._most - waiting,
            alone=not self._machine.on_graphics,
        )

    def _forget(self, now: float) -> None:
        """Give away the places of those who did not come."""
        for token in [token for token, seat in self._seats.items() if seat.session is None]:
            if now > self._seats[token].until_s and self._seats[token].socket is None:
                del self._seats[token]

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:
            log.exception("the server of sessions crashed")
            self.error = f"{type(error).__name__}: {error}"
        finally:
            self._socket.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_CLOSE_S)
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            await self._stop.wait()
            with self._lock:
                sockets = [seat.socket for seat in self._seats.values() if seat.socket is not None]
            for each in sockets:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(_refuse(each, "closing", "the room is closing"), _CLOSE_S)
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if "Origin" in request.headers or request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPForbidden(text="this is a livedream room: only mirrors come in\n")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        full: Full | None = None
        if self._open:
            ticket = self.admit("a mirror")
            full, token = (ticket, "") if isinstance(ticket, Full) else (None, ticket.token)
        with self._lock:
            seat = self._seats.get(token)
            if seat is not None and seat.socket is not None:
                seat = None  # somebody sits there
            served = web.WebSocketResponse(max_msg_size=_LONGEST_BYTES, compress=False, heartbeat=_PING_S)
            if seat is not None:
                seat.socket = served
        if seat is None and full is None:
            raise web.HTTPUnauthorized(text="this needs a ticket\n")
        try:
            await served.prepare(request)
            if seat is None:
                assert full is not None
                await _refuse(served, "full", full.message, full.retry_s)
            else:
                await self._attend(served, seat)
        except (ConnectionError, TimeoutError):
            pass  # the mirror has gone
        finally:
            with self._lock:
                self._seats.pop(token, None)
        return served

    async def _attend(self, served: web.WebSocketResponse, seat: _Seat) -> None:
        """The conversation with one mirror."""
        session: Session | None = None
        writing: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(_ARRIVE_S):
                join, _ = _message(await served.receive())
            if not isinstance(join, Join):
                raise ProtocolError(f"a mirror begins with Join, not with {type(join).__name__}")
            news = asyncio.Event()
            session = self._begin(join, news)
            seat.session = session
            await served.send_bytes(pack(Welcome(room=self._name, working_px=session.first_px)))
            writing = asyncio.create_task(self._write(served, session, news))
            messages, received_bytes = Allowance(_MESSAGES_HZ, now_s), Allowance(_BYTES_HZ, now_s)
            while (received := await served.receive()).type not in _CLOSING:
                message, pixels = _message(received)
                if not (messages.allows() and received_bytes.allows(len(received.data))):
                    raise ProtocolError("the mirror sends too much; possible: one picture in flight")
                if isinstance(message, Join):
                    message = message.order
                session.take(message, pixels)
        except TimeoutError:
            await _refuse(served, "invalid", f"nothing was heard from the mirror for {_ARRIVE_S:.0f} s")
        except LivedreamError as error:
            log.info("%s is refused: %s", session.name if session else "a mirror", error)
            await _refuse(served, _why(error), str(error))
        finally:
            if writing is not None:
                writing.cancel()
            if session is not None:
                session.close()
                log.info("%s has gone", session.name)

    def _begin(self, join: Join, news: asyncio.Event) -> Session:
        loop = asyncio.get_running_loop()

        def ready() -> None:
            with contextlib.suppress(RuntimeError):  # the server has been closed
                loop.call_soon_threadsafe(news.set)

        name = mirror_name(join.mirror)
        log.info("%s is here: %s %s", name, join.order.settings.network, join.order.settings.layer)
        return Session(name, join.order, self._machine, ready)

    async def _write(self, served: web.WebSocketResponse, session: Session, news: asyncio.Event) -> None:
        """Send what is newest as fast as the mirror reads; what it misses has been replaced."""
        told = Pacer(_STATUS_HZ)
        while True:
            await news.wait()
            news.clear()
            with contextlib.suppress(ConnectionError):
                if (residual := session.residual()) is not None:
                    await served.send_bytes(residual)
                if told.due(now_s()) and (status := session.status()) is not None:
                    await served.send_bytes(pack(status))
            if session.ended is not None:
                await self._ended(served, session)
                return

    async def _ended(self, served: web.WebSocketResponse, session: Session) -> None:
        ended = session.ended
        assert ended is not None
        if session.lost:
            self.error = ended.message
        if ended.why is not None:
            log.info("%s is refused: %s", session.name, ended.message)
            await _refuse(served, ended.why, ended.message)
        else:
            await served.close(code=1011, message=ended.message.encode()[:120])


_CLOSING = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


def _message(received: Any) -> tuple[FromMirror, memoryview]:
    if received.type in _CLOSING:
        raise ConnectionError("the mirror has gone")
    if received.type is not WSMsgType.BINARY:
        raise ProtocolError("a mirror sends binary messages only")
    if len(received.data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {len(received.data)} bytes; possible: {MAX_MESSAGE_BYTES}")
    return from_mirror(received.data)


def _why(error: LivedreamError) -> Refusal:
    return "version" if isinstance(error, VersionError) else "invalid"


async def _refuse(served: web.WebSocketResponse, why: Refusal, message: str, retry_s: float = 0.0) -> None:
    with contextlib.suppress(ConnectionError):
        await served.send_bytes(pack(Refused(why=why, message=message, retry_s=retry_s)))
    await served.close()
