"""What a room's ingress and its replicas say to each other about sessions; pictures don't come this way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Place:
    """Where a session was opened: its WebSocket is at ``host`` and ``port``, for whoever shows ``ticket``."""

    host: str
    port: int
    ticket: str
    replica: str = ""


@dataclass(frozen=True)
class Full:
    """A replica that takes nobody more, and why; another try may be worth it after ``retry_s``."""

    message: str
    retry_s: float = 5.0


@dataclass(frozen=True)
class Alive:
    """A session goes on. ``stats`` are for people."""

    stats: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Replica:
    """What a replica says of itself every few seconds, and when it changes: where it is, what it has."""

    name: str
    node: str
    pid: int
    device: str = ""
    sessions: int = 0
    full: bool = False


def overfull(sessions: Mapping[str, int], replicas: Sequence[Replica]) -> str:
    """The name of the replica that should give a session to another, or "".

    ``sessions`` is how many each has. Where a process has died, those that lived on have its sessions, and
    the one that is started instead has none: Ray places a session only when it is opened.
    """
    counts = {replica.name: sessions.get(replica.name, 0) for replica in replicas}
    takers = [counts[replica.name] for replica in replicas if not replica.full]
    if not takers:
        return ""
    fullest = max(counts, key=counts.__getitem__)
    return fullest if counts[fullest] - min(takers) >= 2 else ""


class PlacingError(Exception):
    """A session that could not be opened, or that has ended with its replica."""


class Dreams(Protocol):
    """Where sessions are opened: replicas that Ray looks after, or a test's own."""

    def session(self, mirror: str) -> AsyncGenerator[Place | Full | Alive]:
        """A session for a mirror of this name, for as long as it lasts. Raises ``PlacingError``.

        First comes its :class:`Place`, or that there is none; then a sign of life now and then.
        """
        raise NotImplementedError
