"""A replica of a room: one process that dreams, for as many mirrors as it can."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from livedream.room.placing import Alive, Full, Place, Replica
from livedream.room.sessions import Sessions

log = logging.getLogger(__name__)

_SIGN_S = 1.0
#: While nothing changes, a call of Ray's for each of so many signs is enough.
_SILENT_SIGNS = 3


class DreamsReplica:
    """What Ray places, restarts and scales. Each session is a request that lasts as long as it.

    ``sessions`` are what it serves, ``report`` is awaited with how it is, every few seconds and when that
    changes. Belongs to the loop that it is made in.
    """

    def __init__(self, name: str, sessions: Sessions, report: Callable[[Replica], Awaitable[Any]]) -> None:
        self.name, self._sessions, self._report = name, sessions, report
        self._reporting = asyncio.get_running_loop().create_task(self._keep_reporting())

    async def session(self, mirror: str) -> AsyncGenerator[Place | Full | Alive]:
        """See :class:`livedream.room.placing.Dreams`."""
        ticket = self._sessions.admit(mirror)
        if isinstance(ticket, Full):
            yield ticket
            return
        try:
            yield Place(self._sessions.host, self._sessions.port, ticket.token, self.name)
            while self._sessions.holds(ticket):
                yield Alive(self._sessions.figures(ticket))
                await asyncio.sleep(_SIGN_S)
        finally:
            self._sessions.withdraw(ticket)

    def check(self) -> None:
        """Raises ``LivedreamError`` when another process has to take over."""
        self._sessions.check()

    def close(self) -> None:
        """End all sessions."""
        self._reporting.cancel()
        self._sessions.close()

    def state(self) -> Replica:
        """How it is."""
        found = self._sessions.stats()
        return Replica(
            self.name,
            platform.node(),
            os.getpid(),
            device=found["device"],
            sessions=len(found["sessions"]),
            full=self._sessions.full(),
        )

    async def _keep_reporting(self) -> None:
        told, signs = None, 0
        while True:
            state = self.state()
            if state != told or signs % _SILENT_SIGNS == 0:
                try:
                    await self._report(state)
                    told = state
                except Exception as error:  # the ingress has gone, and is started again
                    log.info("the ingress did not hear this replica: %s", error)
                    told = None
            signs += 1
            await asyncio.sleep(_SIGN_S)
