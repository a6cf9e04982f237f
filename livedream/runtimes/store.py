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


@dataclass(frozen=True)
class OpenedGraph:
    """A session, the runtime that it runs in, and the memory that it takes."""

    session: Session
    runtime: str
    size_bytes: int


class SessionStore:
    """Opened graphs; when there are too many, those unused for the longest go. For several threads."""

    def __init__(self, most_sessions: int = MOST_SESSIONS, most_bytes: int = MOST_BYTES) -> None:
        self._most_sessions, self._most_bytes = most_sessions, most_bytes
        self._opened: OrderedDict[GraphSpec, OpenedGraph] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, spec: GraphSpec) -> bool:
        with self._lock:
            return spec in self._opened

    def use(self, spec: GraphSpec) -> OpenedGraph | None:
        """The opened graph, which counts as used just now; None when there is none."""
        with self._lock:
            if spec in self._opened:
                self._opened.move_to_end(spec)
            return self._opened.get(spec)

    def specs(self) -> list[GraphSpec]:
        """All graphs that are held, the one used last at the end."""
        with self._lock:
            return list(self._opened)

    def add(self, spec: GraphSpec, opened: OpenedGraph) -> None:
        """Keep a graph, which counts as used just now; others make room for it."""
        with self._lock:
            self._opened[spec] = opened
            self._opened.move_to_end(spec)
            while len(self._opened) > 1 and self._too_full():
                oldest, _ = self._opened.popitem(last=False)
                log.info("closed %s, unused for the longest", oldest.stem)

    def add_spare(self, spec: GraphSpec, opened: OpenedGraph) -> bool:
        """Keep a graph that nobody has used yet, and only if there is room; whether there was."""
        with self._lock:
            self._opened[spec] = opened
            self._opened.move_to_end(spec, last=False)
            if self._too_full():
                del self._opened[spec]
            return spec in self._opened

    def has_room(self) -> bool:
        """Whether one more graph, as large as the largest, would fit."""
        with self._lock:
            largest = max((opened.size_bytes for opened in self._opened.values()), default=0)
            return len(self._opened) < self._most_sessions and self._bytes() + largest <= self._most_bytes

    def remove_runtime(self, runtime: str) -> None:
        """Close all that run in one runtime."""
        with self._lock:
            for spec in [spec for spec, opened in self._opened.items() if opened.runtime == runtime]:
                del self._opened[spec]

    def _too_full(self) -> bool:
        return len(self._opened) > self._most_sessions or self._bytes() > self._most_bytes

    def _bytes(self) -> int:
        return sum(opened.size_bytes for opened in self._opened.values())
