"""The door of a room: takes connections, so many from one address, and shuts out who dawdles."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

#: The system has no more files to open; it may soon have.
_PAUSE_S = 0.2


@dataclass(frozen=True)
class DoorLimits:
    """How many may stand in the door, and how long: from the connection to the first proper message.

    Several mirrors may share an address, behind a router.
    """

    connections: int = 512
    connections_of_address: int = 64
    handshake_s: float = 10.0


class Door:
    """Accepts connections on ``listener`` for the protocols that ``factory`` makes.

    One that is not :meth:`welcome` in time is cut off, whatever it was doing: a TLS handshake, half a header,
    nothing at all. ``refused`` is called with an address that has too many.
    """

    def __init__(
        self,
        listener: socket.socket,
        factory: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None = None,
        limits: DoorLimits | None = None,
        refused: Callable[[str], None] = lambda address: None,
    ) -> None:
        listener.setblocking(False)
        self._listener, self._factory, self._tls, self._refused = listener, factory, tls, refused
        self.limits = limits or DoorLimits()
        self._of: Counter[str] = Counter()
        self._waiting: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many there are, of all kinds."""
        return self._of.total()

    def open(self) -> None:
        """Begin to accept. Called in the loop."""
        self._start(self._accept())

    def close(self) -> None:
        """Accept nobody more. Those that are in stay."""
        for task in self._tasks:
            task.cancel()
        self._listener.close()

    def welcome(self, transport: asyncio.BaseTransport | None) -> None:
        """A connection has said who it is, and may stay."""
        timer = self._waiting.pop(transport, None) if transport is not None else None
        if timer is not None:
            timer.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as error:
                log.warning("a connection could not be taken: %s", error.strerror or error)
                await asyncio.sleep(_PAUSE_S)
                continue
            peer = str(address[0])
            if (
                self.connections >= self.limits.connections
                or self._of[peer] >= self.limits.connections_of_address
            ):
                connection.close()
                self._refused(peer)
                continue
            self._of[peer] += 1
            self._start(self._take(connection, peer))

    async def _take(self, connection: socket.socket, peer: str) -> None:
        guard = _Guard(self._factory(), self._arrived, lambda transport: self._left(transport, peer))
        with suppress(OSError):  # gone already, perhaps
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guard,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=self.limits.handshake_s if self._tls else None,
            )
        except (OSError, TimeoutError):  # no TLS, or not this one; or it went away. ssl's errors are OSErrors
            connection.close()
        finally:
            if not guard.connected:
                self._leave(peer)

    def _arrived(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        self._waiting[transport] = loop.call_later(self.limits.handshake_s, self._cut, transport)

    def _cut(self, transport: asyncio.BaseTransport) -> None:
        self._waiting.pop(transport, None)
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def _left(self, transport: asyncio.BaseTransport, peer: str) -> None:
        self.welcome(transport)
        self._leave(peer)

    def _leave(self, peer: str) -> None:
        self._of[peer] -= 1
        if self._of[peer] <= 0:
            del self._of[peer]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Guard(asyncio.Protocol):
    """Passes everything on to a protocol, and says when its connection comes and goes."""

    def __init__(
        self,
        inner: asyncio.Protocol,
        arrived: Callable[[asyncio.BaseTransport], None],
        left: Callable[[asyncio.BaseTransport], None],
    ) -> None:
        self._inner, self._arrived, self._left = inner, arrived, left
        self._transport: asyncio.BaseTransport | None = None
        self.connected = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.connected = transport, True
        self._arrived(transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._left(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
