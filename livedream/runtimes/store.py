"""The opened sessions of a backend, in memory, within bounds."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

from livedream.networks.graphs import GraphSpec
from livedream.runtimes.base import Session

log = logging.getLogger(__name__)

#: A few layers at all their octave sizes, and what a machine of 4 GB can spare.
MOST_SESSIONS, MOST_BYTES = 32, 1 << 30

#: A graph, and the (width, height) that it is opened for.
Key = tuple[GraphSpec, tuple[int, int]]


@dataclass(frozen=True)
class OpenedGraph:
    """A session, its runtime, and the memory that it takes."""

    session: Session
    runtime: str
    size_bytes: int


class SessionStore:
    """Opened graphs, of which the least recently used make room for others. Thread-safe."""

    def __init__(self, most_sessions: int = MOST_SESSIONS, most_bytes: int = MOST_BYTES) -> None:
        self._most_sessions, self._most_bytes = most_sessions, most_bytes
        self._opened: OrderedDict[Key, OpenedGraph] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._opened

    def use(self, key: Key) -> OpenedGraph | None:
        """The opened graph, which becomes the most recently used; None when there is none."""
        with self._lock:
            if key in self._opened:
                self._opened.move_to_end(key)
            return self._opened.get(key)

    def peek(self, key: Key) -> OpenedGraph | None:
        """The opened graph, whose turn stays what it was."""
        with self._lock:
            return self._opened.get(key)

    def opened(self) -> list[Key]:
        """All graphs in the store, the most recently used last."""
        with self._lock:
            return list(self._opened)

    def add(self, key: Key, opened: OpenedGraph) -> None:
        """Keep a graph as the most recently used; others make room for it."""
        with self._lock:
            self._opened[key] = opened
            self._opened.move_to_end(key)
            while len(self._opened) > 1 and self._too_full():
                oldest, _ = self._opened.popitem(last=False)
                log.info("closed %s at %dx%d, the least recently used", oldest[0].stem, *oldest[1])

    def clear(self) -> None:
        """Close all."""
        with self._lock:
            self._opened.clear()

    def remove_runtime(self, runtime: str) -> None:
        """Close all that run in one runtime."""
        with self._lock:
            for key in [key for key, opened in self._opened.items() if opened.runtime == runtime]:
                del self._opened[key]

    def _too_full(self) -> bool:
        return len(self._opened) > self._most_sessions or self._bytes() > self._most_bytes

    def _bytes(self) -> int:
        return sum(opened.size_bytes for opened in self._opened.values())
