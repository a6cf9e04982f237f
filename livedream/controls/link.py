"""Ableton Link: the tempo and the beat of the other programs in the local network.

The mirror follows and never leads: it is one of many who listen.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from livedream.controls.actions import Action, Beat
from livedream.controls.port import Change, Inbox, Refusal
from livedream.timing import now_s

log = logging.getLogger(__name__)

#: Between two looks the tempo goes on by itself.
_LOOK_S = 0.1
_START_BPM = 120.0


class Session(Protocol):
    """As much of ``aalink.Link`` as is used."""

    enabled: bool

    @property
    def num_peers(self) -> int:
        """How many others there are."""

    @property
    def tempo(self) -> float:
        """Beats per minute."""

    @property
    def beat(self) -> float:
        """Which beat it is now."""


def join() -> Session:
    """A session of Link; call it in a running event loop. Raises ``ImportError``."""
    session: Session = importlib.import_module("aalink").Link(_START_BPM)
    return session


class Link:
    """Follows a session on a thread of its own, for as long as there are others in it."""

    name = "link"

    def __init__(self, joining: Callable[[], Session] = join, clock: Callable[[], float] = now_s) -> None:
        self._inbox, self._closed = Inbox(), threading.Event()
        self._joining, self._clock = joining, clock
        self._peers = 0
        self._thread = threading.Thread(target=self._listen, name=self.name, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            asyncio.run(self._follow())
        except Exception as error:  # a broken library must not end the show
            log.error("Link: %s", error)

    async def _follow(self) -> None:
        session = self._joining()
        session.enabled = True
        try:
            while not self._closed.is_set():
                self.look(session)
                await asyncio.sleep(_LOOK_S)
        finally:
            session.enabled = False

    def look(self, session: Session) -> None:
        """Take the tempo of a session, if there is anybody else in it."""
        peers = session.num_peers
        if peers != self._peers:
            self._peers = peers
            log.info(
                "Link: %s",
                f"{peers} other programs, {session.tempo:.1f} beats/min" if peers else "nobody else",
            )
        if peers:
            self._inbox.put(Beat(session.tempo, session.beat, self._clock()))

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`."""
        return self._inbox.take()

    def announce(self, news: Change | Refusal) -> None:
        """The session is others'."""

    def close(self) -> None:
        """Leave the session. May be called twice."""
        self._closed.set()
        self._thread.join(1.0)
