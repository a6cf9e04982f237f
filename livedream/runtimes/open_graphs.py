"""The graphs of one network that are open on this machine, and the thread that opens and exports others.

A graph that is shipped or in the user's cache is opened when it is first wanted, in less time than a fade
takes; for others PyTorch dreams while they are exported. All that happens in the background.
"""

from __future__ import annotations

import atexit
import logging
import time
from pathlib import Path
from typing import Literal

from livedream import places
from livedream.errors import LivedreamError, OutOfMemoryError
from livedream.extras import installed
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import GraphSpec, graphs_dir, neighbours
from livedream.runtimes import calibration, registry
from livedream.runtimes.base import Session
from livedream.runtimes.devices import describe
from livedream.runtimes.exporter import Exporter, GraphFiles
from livedream.runtimes.opening import GraphOpener
from livedream.runtimes.preparing import Preparer
from livedream.runtimes.reference import Reference
from livedream.runtimes.store import Key, OpenedGraph, SessionStore

log = logging.getLogger(__name__)

#: Runtimes are compared this long after the first of them runs, when the show has started.
COMPARE_AFTER_S = 8.0

Job = Literal["open", "export", "compare"]


class OpenGraphs:
    """One network's graphs, in the fastest runtimes of this machine. Thread-safe: backends may share them.

    ``runtime`` is ``auto`` or a name of :data:`livedream.runtimes.names.BACKENDS`. With ``wait`` runtimes are
    compared before the first graph is opened. With ``spare``, what may be wanted next is exported when there
    is nothing else to do.
    """

    def __init__(
        self,
        reference: Reference,
        network: str,
        weights: Path | None,
        weights_sha256: str,
        *,
        device: str = "cpu",
        runtime: str = "auto",
        threads: int = 1,
        wait: bool = False,
        spare: bool = True,
        folder: Path | None = None,
        store: SessionStore | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self.device, self.network, self.reference = device, network, reference
        #: Whether what is not open yet is waited for.
        self.wait = wait
        #: What happened last, and whether runtimes are being compared.
        self.message, self.comparing = "", False
        self._spare_exports = spare
        self._store = SessionStore() if store is None else store
        self._exporter = Exporter() if exporter is None else exporter
        self._orders = places.measured_dir() / "runtimes.json"
        self._what = f"{network} on {describe(device) if runtime == 'auto' else device}, {threads} threads"
        names, self._compared = [runtime], True
        if runtime == "auto":
            names = registry.candidates(device)
            possible = {*names, *registry.SLOW}
            order = [name for name in calibration.remembered(self._orders, self._what) if name in possible]
            self._compared = bool(order) or (device == "cpu" and len(names) < 2)
            names = list(dict.fromkeys([*order, *names]))
        self._runtimes = registry.Runtimes(names)
        folder = graphs_dir() if folder is None else folder
        self.files = GraphFiles(network, weights, weights_sha256, folder, self._exporter, self._report)
        self._opener = GraphOpener(
            self.files, self._runtimes, reference, device=device, threads=threads, report=self._report
        )
        self._preparer: Preparer[Key, Job] = Preparer(
            self._work, self._spare, self._give_up, self._exporter.stop
        )
        # Written by the preparing thread only, a key at a time.
        self._given_up: dict[GraphSpec, str] = {}
        self._too_large: set[Key] = set()
        self._opened_s: float | None = None
        atexit.register(self.close)  # OpenVINO ends the process when Python ends while it compiles

    def __contains__(self, key: Key) -> bool:
        return key in self._store

    @property
    def busy(self) -> bool:
        """Whether something is being prepared or waits to be."""
        return self._preparer.busy

    def request(self, key: Key) -> None:
        """Open a graph in the background."""
        self._preparer.request(key, "open")

    def too_large(self, key: Key) -> bool:
        """Whether there was no room for it."""
        return key in self._too_large

    def settled(self, key: Key) -> bool:
        """Whether a graph is ready, or never will be."""
        never = key[0] in self._given_up or key in self._too_large or not self._runtimes.names()
        return never or key in self._store

    def quick(self, spec: GraphSpec) -> bool:
        """Whether opening this takes no longer than a moment: its file is there."""
        runtime = next(iter(self._runtimes.names()), "")
        found = self.files.find(self._opener.file_spec(spec, runtime))
        return found is not None and runtime not in registry.BUILT

    def ready(self, key: Key) -> OpenedGraph | None:
        """The graph, if it is opened or will be in a moment; None when PyTorch runs instead.

        Raises ``OutOfMemoryError`` when there is no room for it.
        """
        opened = self._store.use(key)
        if opened is None and not self.settled(key):
            self.request(key)
            if self.wait or self.quick(key[0]):
                self._preparer.wait_until(lambda: self.settled(key))
                opened = self._store.use(key)
        if opened is None and key in self._too_large:
            raise OutOfMemoryError(f"no room for {key[0].layer} at {key[1][0]}×{key[1][1]}")
        return opened

    def features(self, key: Key) -> Session | None:
        """A graph of features, opened anew; None when PyTorch runs instead."""
        if self.device != "cpu" or self.files.find(key[0]) is None:
            return None
        opened = self._opener.open(key)
        return None if opened is None else opened.session

    def compare(self) -> None:
        """Compare the runtimes now, if they have to be, by a graph that is open; waits for that."""
        keys = self._store.opened()
        if not self._compared and keys:
            self._preparer.request(min(keys, key=lambda key: key[1]), "compare")
            self._preparer.wait_until(lambda: self._compared and not self.comparing)

    def make_room(self) -> None:
        """Close all; what is wanted is opened again."""
        self._store.clear()
        self._too_large.clear()
        if self.reference.loaded is not None:
            self.reference.loaded.make_room()

    def drop(self, runtime: str, reason: str) -> None:
        """Stop using a runtime; the next one takes over, or PyTorch."""
        if self._runtimes.drop(runtime):
            self._report(f"{runtime} disabled: {reason}", logging.ERROR)
        self._store.remove_runtime(runtime)

    def close(self) -> None:
        """Stop all preparation, and an export in the middle. May be called twice."""
        atexit.unregister(self.close)
        self._preparer.interrupt()
        self._exporter.close()
        self._preparer.close()

    def _work(self, key: Key, job: Job) -> None:  # this and what follows: in the preparing thread
        if job == "export":
            self.files.path(key[0])
        elif job == "compare":
            self._compare(key)
        else:
            self._open(key)

    def _open(self, key: Key) -> None:
        if not self._compared and self.wait:
            self._compare(key)
        while not self.settled(key):
            opened = self._opener.open(key)
            if opened is None:
                return
            self._store.add(key, opened)
            if self._opened_s is None:
                self._opened_s = time.monotonic()
            if opened.runtime in self._runtimes:
                return
            self._store.remove_runtime(opened.runtime)  # dropped while it opened: the next one

    def _compare(self, key: Key) -> None:
        """Find the fastest runtime, and open in it what is open in another."""
        self._compared = self.comparing = True
        try:
            self._opener.calibrate(key)
        finally:
            self.comparing = False
        order = self._runtimes.names()
        if order:
            calibration.remember(self._orders, self._what, order)
        for open_key in self._store.opened():
            current = self._store.peek(open_key)
            if order and current is not None and current.runtime != order[0]:
                opened = self._opener.open(open_key)
                if opened is not None:
                    self._store.add(open_key, opened)  # the dream has the other until now

    def _spare(self) -> tuple[Key, Job] | None:
        """What to do when nothing is wanted: compare the runtimes, then export the neighbouring layers."""
        keys = self._store.opened()
        if self.wait or not keys or self._opened_s is None:
            return None
        if not self._compared:
            due = time.monotonic() - self._opened_s > COMPARE_AFTER_S
            # A small image takes the least memory; a graphics chip shows what it can do on a large one.
            if not due:
                return None
            choose = max if registry.slow_candidates(self.device) else min
            return choose(keys, key=lambda key: key[1]), "compare"
        if not self._spare_exports:
            return None
        layers = [layer.name for layer in network_info(self.network).layers]
        for spec in neighbours(keys[-1][0], layers):
            if spec not in self._given_up and self.files.find(spec) is None:
                return (spec, keys[-1][1]), "export"
        return None

    def _give_up(self, key: Key, error: Exception) -> None:
        if not isinstance(error, LivedreamError):
            log.error("preparing %s failed", key[0].stem, exc_info=error)
        if key in self._store:  # it was a comparison, and what is there goes on
            self._report(f"the runtimes were not compared: {error}", logging.WARNING)
            return
        if isinstance(error, OutOfMemoryError):
            self._too_large.add(key)
            return  # whoever wants it is told
        self._given_up[key[0]] = str(error)
        runs = f"{key[0].layer} runs in PyTorch" if installed("torch") else f"{key[0].layer} cannot be dreamt"
        self._report(f"{runs}: {error}", logging.WARNING)

    def _report(self, text: str, level: int) -> None:
        self.message = text
        log.log(level, text)
