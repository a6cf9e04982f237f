"""OSC as a control: faders and buttons of other programs and of phones in, feedback out.

A thread reads datagrams and makes actions of them. What is refused is counted, kept in the monitor, and
logged at most once a second. A *sender* is a host: feedback on a setting never goes to the host that has just
moved it, or its fader would fight with its own echo.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from livedream.controls.actions import Action, Cycle, Nudge, Set, SetUnit, Toggle
from livedream.controls.desk import Desk, View
from livedream.controls.osc_addresses import SCENE, Ask, understand, values_of
from livedream.controls.osc_discovery import Announcement
from livedream.controls.osc_feedback import CLIENT_PORT, Clients, Feedback, Peer
from livedream.controls.osc_message import MalformedError, messages
from livedream.controls.port import Change, Refusal
from livedream.errors import LivedreamError, OutputError, UsageError
from livedream.room_address import is_this_machine
from livedream.settings import Settings

log = logging.getLogger(__name__)

PORT = 9000
#: The settings follow a fader this often: no screen shows more.
_VALUES_S = 1 / 60
#: So many actions go to the show at a time, and so many wait. Values of one setting replace each other.
_AT_ONCE, _MOST_WAITING = 32, 256
_MONITORED = 200
_LOG_S = 1.0
_PATIENCE_S = 0.2


@dataclass
class Heard:
    """A line of the monitor. ``verdict`` is empty for what was accepted or sent, else why it was refused."""

    time_s: float
    direction: str
    peer: str
    address: str
    arguments: tuple[Any, ...]
    verdict: str = ""


class Ration:
    """How many messages are read at a time: 60 in 20 ms. In a flood the system drops the others.

    A thread that wakes for each of 10,000 a second would take the interpreter from the show's loop as often.
    """

    def __init__(self, most: int = 60, period_s: float = 0.02) -> None:
        self._most, self._period_s = most, period_s
        self._began_s, self._read = 0.0, 0

    def pause_s(self, now: float, count: int = 1) -> float:
        """How long to read nothing after a datagram with so many messages at ``now``, in seconds."""
        if now - self._began_s >= self._period_s:
            self._began_s, self._read = now, 0
        self._read += count
        if self._read < self._most:
            return 0.0
        return max(0.0, self._began_s + self._period_s * self._read / self._most - now)


class Osc:
    """Listens for OSC on a UDP port.

    ``feedback`` are clients that are always told of changes; who sends is told at port 9001. ``clock`` is
    monotonic, in seconds. Raises ``OutputError`` when the port cannot be opened.
    """

    name = "osc"

    def __init__(
        self,
        desk: Desk,
        host: str = "127.0.0.1",
        port: int = PORT,
        feedback: Iterable[Peer] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk, self._clock = desk, clock
        self._settings: Settings | None = None  # as last announced; the desk's are a moment old
        self._scene, self._room = "", desk.view.settings.dream_at
        self._socket = _open(host, port)
        self.address: Peer = self._socket.getsockname()[:2]
        self.counts: Counter[str] = Counter()  # received, accepted, refused, malformed, sent, dropped
        self._lock = threading.Lock()
        self._monitor: deque[Heard] = deque(maxlen=_MONITORED)
        self._waiting: dict[object, tuple[Action, Heard]] = {}
        self._taken_s = -_VALUES_S
        self._batch: list[tuple[Action, Heard]] = []  # what the show is doing now
        self._movers: dict[str, str] = {}  # which host moves which setting in that
        self._asked: dict[str, set[Peer]] = {}  # for what, by whom
        self._due: dict[str, set[Peer]] = {}  # answered when what came before has been done
        self._logged_s, self._unlogged = -_LOG_S, 0
        self._closed = threading.Event()
        self._announcement: Announcement | None = None
        self._clients = Clients(feedback, clock)
        self._feedback = Feedback(self._socket, self._sent)
        self._thread = threading.Thread(target=self._listen, name="osc", daemon=True)
        self._thread.start()

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`. Answers what was asked before the last call, too."""
        with self._lock:
            due, self._due, self._asked = self._due, self._asked, {}
            now = self._clock()
            only_values = all(isinstance(key, str) for key in self._waiting)
            if self._waiting and not (only_values and now - self._taken_s < _VALUES_S):
                keys = list(self._waiting)[:_AT_ONCE]
                self._batch = [self._waiting.pop(key) for key in keys]
                self._taken_s = now
            else:
                self._batch = []
            self._movers = self._senders()
        for name, peers in due.items():
            self._feedback.tell(peers, self._told(name))
        return [action for action, _ in self._batch]

    def announce(self, news: Change | Refusal) -> None:
        """Pass a change on to all clients but the one that asked for it. See ``Control``."""
        if isinstance(news, Refusal):
            with self._lock:
                for action, heard in self._batch:
                    if action == news.action:
                        heard.verdict = news.reason
                        self.counts["refused"] += 1
                        self.counts["accepted"] -= 1
            return
        scene, self._scene = self._scene, news.scene
        self._settings = news.settings
        senders = self._movers if news.origin == self.name else {}
        clients = self._clients.all()
        for name in news.names if scene == news.scene else (*news.names, SCENE):
            peers = [peer for peer in clients if peer[0] != senders.get(name)]
            self._feedback.tell(peers, self._told(name))

    @property
    def view(self) -> View:
        """The desk's view, with the newest settings. From any thread."""
        view, settings = self._desk.view, self._settings
        return view if settings is None else replace(view, settings=settings, scene=self._scene)

    def monitor(self) -> tuple[Heard, ...]:
        """The last 200 messages, in and out, oldest first. From any thread."""
        with self._lock:
            return tuple(self._monitor)

    def publish(self, oscquery: int) -> None:
        """Announce the port in the network, and that of OSCQuery unless it is 0."""
        self._announcement = Announcement(self.address[1], oscquery)

    def close(self) -> None:
        """Stop listening. May be called twice."""
        self._closed.set()
        if self._announcement is not None:
            self._announcement.close()
        self._feedback.close()
        self._thread.join(1.0)
        self._socket.close()

    def _senders(self) -> dict[str, str]:
        """Which host moved which setting, in what the show is doing now."""
        moves = (Set, SetUnit, Nudge, Toggle, Cycle)
        return {a.name: heard.peer.rpartition(":")[0] for a, heard in self._batch if isinstance(a, moves)}

    def _told(self, name: str) -> dict[str, Any]:
        view = self.view
        return values_of(name, view.settings, view.lists, view.scene)

    def _listen(self) -> None:
        ration = Ration()
        while not self._closed.is_set():
            try:
                data, peer = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:  # on Windows: a client that is not there any more
                self._closed.wait(0.01)
                continue
            try:
                count = self._receive(data, peer[:2])
            except Exception as error:  # whatever comes, it listens on
                count = 1
                heard = Heard(time.time(), "in", f"{peer[0]}:{peer[1]}", "", (len(data),))
                self._refuse(heard, f"{type(error).__name__}: {error}")
            self.counts["received"] += 1
            if pause_s := ration.pause_s(time.monotonic(), count):
                self._closed.wait(pause_s)

    def _receive(self, data: bytes, peer: Peer) -> int:
        """Do what a datagram asks for; how many messages it had."""
        sender = f"{peer[0]}:{peer[1]}"
        try:
            found = messages(data)
        except MalformedError as error:
            self.counts["malformed"] += 1
            self._refuse(Heard(time.time(), "in", sender, "", (len(data),)), f"not OSC: {error}")
            return 1
        self._clients.sent(peer[0])
        for address, arguments in found:
            heard = Heard(time.time(), "in", sender, address[:200], _short(arguments))
            try:
                asked = understand(address, arguments, self._desk.view)
                self._require_own_room(asked, peer[0])
            except LivedreamError as error:
                self._refuse(heard, str(error))
                continue
            with self._lock:
                self.counts["accepted"] += 1
                self._monitor.append(heard)
                if isinstance(asked, Ask):
                    for name in asked.names:
                        self._asked.setdefault(name, set()).update(self._answers_go_to(name, peer))
                elif asked is not None:
                    self._put(asked, heard)
        return len(found)

    def _require_own_room(self, asked: Action | Ask | None, host: str) -> None:
        """Refuse to send images of visitors wherever somebody in the network likes: OSC has no password."""
        allowed = not isinstance(asked, Set) or asked.name != "dream_at" or asked.value in ("", self._room)
        if not (allowed or is_this_machine(host)):
            own = f", or {self._room}" if self._room else "; name a room by --dream-at"
            raise UsageError(f"dream_at by OSC from another machine: expected nothing{own}")

    def _answers_go_to(self, name: str, peer: Peer) -> Iterable[Peer]:
        """To where it was asked from, and to where this client listens; to eight clients at a time."""
        full = len(self._asked.get(name, ())) >= 16
        return () if full else (peer, (peer[0], CLIENT_PORT))

    def _put(self, action: Action, heard: Heard) -> None:
        if isinstance(action, Set | SetUnit):
            key: object = action.name
            self._waiting.pop(key, None)
        else:
            key = object()
        if len(self._waiting) >= _MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.counts["dropped"] += 1
        self._waiting[key] = (action, heard)

    def _refuse(self, heard: Heard, reason: str) -> None:
        heard.verdict = reason
        with self._lock:
            self.counts["refused"] += 1
            self._monitor.append(heard)
        now = self._clock()
        if now - self._logged_s < _LOG_S:
            self._unlogged += 1
            return
        more = f" (and {self._unlogged} more since the last such line)" if self._unlogged else ""
        log.warning("OSC from %s refused: %s%s", heard.peer, reason, more)
        self._logged_s, self._unlogged = now, 0

    def _sent(self, peer: Peer, address: str, value: Any) -> None:
        with self._lock:
            self.counts["sent"] += 1
            self._monitor.append(Heard(time.time(), "out", f"{peer[0]}:{peer[1]}", address, (value,)))


def _open(host: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.bind((host, port))
    except (OSError, OverflowError) as error:
        opened.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OutputError(
            f"cannot listen for OSC on {host} port {port}: {reason}; possible: another port (--osc PORT),"
            " or none (--no-osc)"
        ) from error
    with suppress(OSError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
    opened.settimeout(_PATIENCE_S)
    return opened


def _short(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arguments as the monitor keeps them: not a megabyte of text."""
    return tuple(a if isinstance(a, bool | int | float | None) else str(a)[:200] for a in arguments[:8])
