"""Networks that are open once, for all sessions of a process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil

from livedream.errors import NetworkError
from livedream.networks.catalogue import find_weights, network_info
from livedream.resource import Resource
from livedream.runtimes.base import Backend
from livedream.runtimes.exported import ExportedBackend, open_graphs
from livedream.runtimes.open_graphs import OpenGraphs
from livedream.runtimes.store import MOST_BYTES, MOST_SESSIONS, SessionStore

#: Layers at all their sizes of as many dreamers as there may be; memory is what bounds them.
_MOST_GRAPHS = 16 * MOST_SESSIONS
#: Of the memory that is free at the beginning, open graphs take at most this part, where each core has a
#: process of its own; but a few layers at all their sizes need so much.
_PART, _LEAST_BYTES = 0.5, 1 << 28


class SharedNetworks(Resource):
    """Opens networks on ``device`` in ``runtime`` with ``threads``, each once for all dreamers."""

    def __init__(self, device: str, runtime: str, threads: int) -> None:
        self._options = device, runtime, threads
        self._most_bytes = MOST_BYTES
        if device == "cpu":
            free = psutil.virtual_memory().available
            self._most_bytes = max(_LEAST_BYTES, int(_PART * free / (os.cpu_count() or 1)))
        self._opened: dict[str, OpenGraphs | Backend] = {}
        self._lock = threading.Lock()

    def open(self, network: str, weights: Path | None = None) -> Backend:
        """A backend for one dreamer. Nothing is downloaded because a mirror names it.

        Raises as :func:`livedream.runtimes.exported.open_backend`, ``NetworkError`` without weights here.
        """
        if find_weights(network) is None:
            how_to_get = network_info(network).how_to_get
            raise NetworkError(f"the room has no weights of {network}; on its machine: {how_to_get}")
        device, runtime, threads = self._options
        with self._lock:
            if network not in self._opened:
                self._opened[network] = open_graphs(
                    network,
                    weights,
                    device=device,
                    runtime=runtime,
                    threads=threads,
                    spare=False,  # which would take the time of the dreams that are there
                    store=SessionStore(_MOST_GRAPHS, self._most_bytes),
                )
            opened = self._opened[network]
        return ExportedBackend(opened, shared=True) if isinstance(opened, OpenGraphs) else opened

    def compare(self, network: str) -> None:
        """Find out now which runtime is fastest for an open network, rather than in the middle of a dream."""
        opened = self._opened[network]
        if isinstance(opened, OpenGraphs):
            opened.compare()

    def close(self) -> None:
        """Stop all background work. May be called twice."""
        for opened in self._opened.values():
            opened.close()
