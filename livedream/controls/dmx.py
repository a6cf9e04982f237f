"""DMX as a control: a lighting desk plays the mirror over Art-Net and sACN.

Only what changes at the desk counts, so other controls keep what they have set until its fader moves; the
first frame counts as a change of everything. When the desk goes, the last values hold.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from livedream.controls.actions import Action
from livedream.controls.dmx_map import Channel, DmxMap
from livedream.controls.dmx_packets import (
    ARTNET_PORT,
    SACN_PORT,
    Frame,
    MalformedError,
    read_artnet,
    read_sacn,
)
from livedream.controls.dmx_universe import Universe
from livedream.controls.port import Change, Refusal
from livedream.errors import OutputError

log = logging.getLogger(__name__)

#: Desks send 44 frames a second; no screen shows more than this.
_PAUSE_S = 1 / 60
_LOG_S = 1.0
#: A network that comes up later is joined then.
_JOIN_S = 5.0
_PATIENCE_S = 0.2

_Reader = Callable[[bytes, str], Frame | None]


class Dmx:
    """Listens for what ``map`` asks for. ``ports`` are those of Art-Net and sACN, 0 for any in tests.

    ``clock`` is monotonic, in seconds. Raises ``OutputError`` when a port cannot be opened.
    """

    name = "dmx"

    def __init__(
        self,
        map: DmxMap,
        ports: tuple[int, int] = (ARTNET_PORT, SACN_PORT),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._map, self._clock = map, clock
        self._universes = {channel.universe: Universe(channel.universe) for channel in map.channels}
        self._levels: dict[Channel, int] = {}  # as last seen by the show
        self._lock = threading.Lock()
        self._changed = False
        self._polled_s = -_PAUSE_S
        self.malformed = 0
        self._logged_s, self._unlogged = -_LOG_S, 0
        self._sockets: list[tuple[socket.socket, _Reader]] = []
        kinds = (("artnet", ports[0], read_artnet), ("sacn", ports[1], read_sacn))
        for protocol, port, reader in kinds:
            if map.protocol in (protocol, "both"):
                try:
                    self._sockets.append((_open(map.listen, port), reader))
                except OutputError:
                    self._close_sockets()
                    raise
        #: (host, port) for each protocol.
        self.addresses: list[tuple[str, int]] = [opened.getsockname() for opened, _ in self._sockets]
        self._joined: set[int] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="dmx", daemon=True)
        self._thread.start()

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`."""
        now = self._clock()
        if not self._changed or now - self._polled_s < _PAUSE_S:
            return []
        self._polled_s, self._changed = now, False
        with self._lock:
            levels = {number: universe.levels for number, universe in self._universes.items()}
        asked: list[Action] = []
        for channel in self._map.channels:
            level, before = channel.level(levels[channel.universe]), self._levels.get(channel)
            if level is None or level == before:
                continue
            self._levels[channel] = level
            action = channel.action(level, before)
            if action is not None:
                asked.append(action)
        return asked

    def senders(self) -> dict[int, tuple[str, ...]]:
        """Who sends each universe now, the one that counts first. From any thread."""
        with self._lock:
            return {number: universe.senders for number, universe in self._universes.items()}

    def announce(self, news: Change | Refusal) -> None:
        """A lighting desk is not answered."""

    def close(self) -> None:
        """Stop listening. May be called twice."""
        self._closed.set()
        self._thread.join(1.0)
        self._close_sockets()

    def _close_sockets(self) -> None:
        for opened, _ in self._sockets:
            opened.close()

    def _listen(self) -> None:
        readers = dict(self._sockets)
        tried_s = -_JOIN_S
        while not self._closed.is_set():
            if self._clock() - tried_s >= _JOIN_S:
                tried_s = self._clock()
                self._join()
            ready, _, _ = select.select(list(readers), [], [], _PATIENCE_S)
            for opened in ready:
                with suppress(OSError):
                    data, peer = opened.recvfrom(2048)
                    self._receive(readers[opened], data, str(peer[0]))
            with self._lock:
                for universe in self._universes.values():
                    universe.forget(self._clock())

    def _receive(self, reader: _Reader, data: bytes, host: str) -> None:
        try:
            frame = reader(data, host)
        except MalformedError as error:
            self._refuse(host, str(error))
            return
        universe = None if frame is None else self._universes.get(frame.universe)
        if frame is not None and universe is not None:
            with self._lock:
                before = universe.levels
                if universe.take(frame, self._clock()) and universe.levels != before:
                    self._changed = True

    def _refuse(self, host: str, reason: str) -> None:
        self.malformed += 1
        now = self._clock()
        if now - self._logged_s < _LOG_S:
            self._unlogged += 1
            return
        more = f" (and {self._unlogged} more since the last such line)" if self._unlogged else ""
        log.warning("DMX from %s refused: %s%s", host, reason, more)
        self._logged_s, self._unlogged = now, 0

    def _join(self) -> None:
        """Join the multicast group of each universe of sACN, as soon as there is a network for it."""
        for opened, reader in self._sockets:
            for number in sorted(set(self._universes) - self._joined):
                if reader is not read_sacn or not 1 <= number <= 63999:
                    continue
                group = socket.inet_aton(f"239.255.{number >> 8}.{number & 255}")
                try:
                    member = group + socket.inet_aton(self._map.listen)
                    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
                    self._joined.add(number)
                except OSError as error:
                    log.debug("DMX universe %d: no multicast: %s", number, error)


def _open(host: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the desk may run on this machine, too
    opened.setblocking(False)
    try:
        # Bound to an address of the network, it would hear neither broadcast nor multicast.
        opened.bind(("" if not host.startswith("127.") else host, port))
    except OSError as error:
        opened.close()
        raise OutputError(
            f"cannot listen for DMX on {host} port {port}: {error.strerror}; possible: end the program"
            " that has it, or set protocol in the map to artnet or sacn"
        ) from error
    return opened
