"""Tells OSC clients what has changed: each address at most 30 times a second, the newest value wins."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from livedream.controls.osc_message import datagram

#: (host, port) of a client.
Peer = tuple[str, int]
#: Where clients listen, unless ``--osc-feedback`` says otherwise.
CLIENT_PORT = 9001
_PAUSE_S = 1 / 30
_FORGET_S = 300.0
_MOST_CLIENTS = 32
_LONGEST_TEXT = 1000
#: So many messages go out at once, or all that one client is told.
_AT_ONCE = 300


class Clients:
    """Who has sent something in the last five minutes, at most 32 hosts; and who is always told."""

    def __init__(self, always: Iterable[Peer], clock: Callable[[], float]) -> None:
        self._always, self._clock = tuple(always), clock
        self._seen: dict[str, float] = {}

    def sent(self, host: str) -> None:
        """A message came from ``host``."""
        self._seen.pop(host, None)
        self._seen[host] = self._clock()  # the last one to have sent is last
        if len(self._seen) > _MOST_CLIENTS:
            del self._seen[next(iter(self._seen))]

    def all(self) -> tuple[Peer, ...]:
        """Who is told of changes."""
        oldest = self._clock() - _FORGET_S
        seen = tuple((host, CLIENT_PORT) for host, sent_s in self._seen.copy().items() if sent_s >= oldest)
        return tuple(dict.fromkeys((*self._always, *seen)))


class Feedback:
    """Sends values to clients from a thread of its own; ``sent`` is called with what went out."""

    def __init__(self, sender: socket.socket, sent: Callable[[Peer, str, Any], None]) -> None:
        self._socket, self._sent = sender, sent
        self._news = threading.Condition()
        self._waiting: dict[Peer, dict[str, Any]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="osc feedback", daemon=True)
        self._thread.start()

    def tell(self, peers: Iterable[Peer], values: Mapping[str, Any]) -> None:
        """Send these values by their addresses soon. Never waits."""
        if values:
            with self._news:
                for peer in peers:
                    self._waiting.setdefault(peer, {}).update(values)
                self._news.notify()

    def close(self) -> None:
        """Stop sending. May be called twice."""
        self._closed.set()
        with self._news:
            self._news.notify()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._closed.is_set():
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._closed.is_set())
                waiting = self._take()
            made: dict[tuple[str, Any], bytes] = {}
            for peer, address, value in waiting:
                data = made.get((address, value)) or _datagram(address, value)
                made[address, value] = data
                with suppress(OSError):  # a host that is gone, a network that is down
                    self._socket.sendto(data, peer)
                    self._sent(peer, address, value)
            self._closed.wait(_PAUSE_S)

    def _take(self) -> list[tuple[Peer, str, Any]]:
        """What is sent now, of what waits: all of it, but for a flood of questions."""
        taken: list[tuple[Peer, str, Any]] = []
        while self._waiting and len(taken) < _AT_ONCE:
            peer, values = next(iter(self._waiting.items()))
            taken += [(peer, address, value) for address, value in values.items()]
            del self._waiting[peer]
        return taken


def _datagram(address: str, value: Any) -> bytes:
    if isinstance(value, str):  # a scene's name may hold bytes of a file name that are not text
        value = value[:_LONGEST_TEXT].encode("utf-8", "replace").decode()
    return datagram(address, value)
