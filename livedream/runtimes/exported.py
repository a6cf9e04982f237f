"""A backend that runs exported graphs, and PyTorch only for what has not been exported yet.

A graph that is shipped or in the user's cache is opened when it is first wanted, in less time than a fade
takes; for others PyTorch dreams while they are exported. All that happens in the background.
"""

from __future__ import annotations

import atexit
import functools
import logging
import time
from pathlib import Path
from typing import Literal

import numpy as np

from livedream import places
from livedream.errors import BackendError, LivedreamError, MissingPackageError, OutOfMemoryError, UsageError
from livedream.extras import full_command, installed, require_installed
from livedream.frame import Array
from livedream.networks.catalogue import find_weights, network_info
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec, graphs_dir, neighbours, weights_hash
from livedream.networks.objective import Guide, HeldWeights, Objective
from livedream.networks.provenance import require_undamaged
from livedream.runtimes import calibration, registry
from livedream.runtimes.base import Backend, Session, Step
from livedream.runtimes.device_errors import is_out_of_memory
from livedream.runtimes.devices import choose_device, describe
from livedream.runtimes.exporter import Exporter, GraphFiles
from livedream.runtimes.names import BACKENDS, ON_GRAPHICS
from livedream.runtimes.on_device import DeviceGradient, gradient_on_device
from livedream.runtimes.opening import GraphOpener
from livedream.runtimes.preparing import Preparer
from livedream.runtimes.reference import Reference, load_reference
from livedream.runtimes.store import Key, OpenedGraph, SessionStore

log = logging.getLogger(__name__)

#: Runtimes are compared this long after the first of them runs, when the show has started.
COMPARE_AFTER_S = 8.0

Job = Literal["open", "export", "compare"]


class ExportedBackend:
    """One network, run by the fastest runtime of this machine.

    ``runtime`` is ``auto`` or a name of :data:`livedream.runtimes.names.BACKENDS`. With ``wait`` the first
    gradient of each layer and size waits for its graph, so that results do not depend on timing; runtimes
    are then compared before the first.
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
        folder: Path | None = None,
        store: SessionStore | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self.device = self.device_name = device
        self.message, self.comparing = "", False
        self._reference, self._network, self._wait = reference, network, wait
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
        self._guide_features: tuple[Guide, Array] | None = None
        self._weights = HeldWeights()
        self._ran: OpenedGraph | None = None
        self._looked: tuple[Key, Session] | None = None
        atexit.register(self.close)  # OpenVINO ends the process when Python ends while it compiles

    @property
    def name(self) -> str:
        """What ran the last gradient, and whether something faster is on its way."""
        if self._ran is not None:
            return self._ran.session.name
        if self._reference.loaded is not None:
            return self._reference.loaded.name + (", preparing a faster one" if self._preparer.busy else "")
        return "starting"

    def gradient(self, image: Array, layer: str, objective: Objective) -> Step:
        """See :class:`livedream.runtimes.base.Backend`."""
        key = self._key(layer, (image.shape[1], image.shape[0]), objective)
        self._ran = self._ready_graph(key)
        if self._ran is None:
            return self._reference.get().gradient(image, layer, objective)
        try:
            step = self._ran.session(image, self._second_input(layer, objective))
            if step.gradient.shape != image.shape:
                raise BackendError(f"its gradient has the shape {step.gradient.shape}")
        except Exception as error:  # each runtime has exceptions of its own
            if is_out_of_memory(error):
                raise
            self.drop(f"it stopped running: {error}")
            return self.gradient(image, layer, objective)  # one runtime less: this ends
        return step

    def features(self, image: Array, layer: str) -> Array:
        """See :class:`livedream.runtimes.base.Backend`."""
        spec = GraphSpec(self._network, layer, "features")
        key = spec, (image.shape[1], image.shape[0])
        if self.device == "cpu" and self.files.find(spec) is not None:
            if self._looked is None or self._looked[0] != key:
                opened = self._opener.open(key)
                self._looked = None if opened is None else (key, opened.session)
            if self._looked is not None:
                return self._looked[1].features(image)
        return self._reference.get().features(image, layer)

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """See :class:`livedream.runtimes.base.Backend`."""
        return self._settled(self._key(layer, size, objective))

    def opening(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """See :class:`livedream.runtimes.base.Backend`; never with ``wait``."""
        key = self._key(layer, size, objective)
        if self._wait or key in self._store or key in self._too_large:
            return False
        if not self._settled(key):
            self._preparer.request(key, "open")
            if self._quick(key[0]):
                return True
        return self._reference.pending()

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """See :class:`livedream.runtimes.base.Backend`."""
        key = self._key(layer, size, objective)
        if not self._settled(key):
            self._preparer.request(key, "open")

    def on_device(self, layer: str, size: tuple[int, int], objective: Objective) -> DeviceGradient:
        """See :class:`livedream.runtimes.on_device.OnDevice`."""
        key = self._key(layer, size, objective)
        self._ran = self._ready_graph(key)
        if self._ran is None:
            return self._reference.get().on_device(layer, size, objective)
        return gradient_on_device(self._ran.session, self._second_input(layer, objective))

    def make_room(self) -> None:
        """See :class:`livedream.runtimes.base.Backend`."""
        self._store.clear()
        self._too_large.clear()
        self._ran = self._looked = None
        if self._reference.loaded is not None:
            self._reference.loaded.make_room()

    def drop(self, reason: str) -> bool:
        """Stop using the runtime that ran last; the next one takes over, or PyTorch."""
        if self._ran is None:
            return False
        runtime = self._ran.runtime
        if self._runtimes.drop(runtime):
            self._report(f"{runtime} disabled: {reason}", logging.ERROR)
        self._store.remove_runtime(runtime)
        self._ran = None
        return True

    def close(self) -> None:
        """Stop all preparation, and an export in the middle. May be called twice."""
        atexit.unregister(self.close)
        self._preparer.interrupt()
        self._exporter.close()
        self._preparer.close()

    def _key(self, layer: str, size: tuple[int, int], objective: Objective) -> Key:
        kind = "gradient" if objective.guide is None and not objective.linear else "guide"
        return GraphSpec(self._network, layer, kind, objective.pool_gradient), size

    def _quick(self, spec: GraphSpec) -> bool:
        """Whether opening this takes no longer than a moment: its file is there."""
        runtime = next(iter(self._runtimes.names()), "")
        found = self.files.find(self._opener.file_spec(spec, runtime))
        return found is not None and runtime not in registry.BUILT

    def _ready_graph(self, key: Key) -> OpenedGraph | None:
        """The graph, if it is opened or will be in a moment; None when PyTorch runs instead."""
        opened = self._store.use(key)
        if opened is None and not self._settled(key):
            self._preparer.request(key, "open")
            if self._wait or self._quick(key[0]):
                self._preparer.wait_until(lambda: self._settled(key))
                opened = self._store.use(key)
        if opened is None and key in self._too_large:
            raise OutOfMemoryError(f"no room for {key[0].layer} at {key[1][0]}×{key[1][1]}")
        return opened

    def _second_input(self, layer: str, objective: Objective) -> Array:
        guide = objective.guide
        if guide is None:
            channels = network_info(self._network).layer(layer).channels
            # A guide of the same feature everywhere: each place then matches that, and the sum is raised.
            return self._weights(objective, channels, GUIDE_FEATURES * objective.linear)
        if self._guide_features is None or self._guide_features[0] is not guide:
            chosen = np.linspace(0, guide.features.shape[1] - 1, GUIDE_FEATURES).round().astype(int)
            self._guide_features = guide, np.ascontiguousarray(guide.features[:, chosen], np.float32)
        return self._guide_features[1]

    def _settled(self, key: Key) -> bool:
        """Whether a graph is ready, or never will be."""
        never = key[0] in self._given_up or key in self._too_large or not self._runtimes.names()
        return never or key in self._store

    def _work(self, key: Key, job: Job) -> None:  # this and what follows: in the preparing thread
        if job == "export":
            self.files.path(key[0])
        elif job == "compare":
            self._compare(key)
        else:
            self._open(key)

    def _open(self, key: Key) -> None:
        if not self._compared and self._wait:
            self._compare(key)
        while not self._settled(key):
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
        if self._wait or not keys or self._opened_s is None:
            return None
        if not self._compared:
            due = time.monotonic() - self._opened_s > COMPARE_AFTER_S
            # A small image takes the least memory; a graphics chip shows what it can do on a large one.
            if not due:
                return None
            choose = max if registry.slow_candidates(self.device) else min
            return choose(keys, key=lambda key: key[1]), "compare"
        layers = [layer.name for layer in network_info(self._network).layers]
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


def open_backend(
    network: str,
    weights: Path | None,
    *,
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 1,
    wait: bool = False,
) -> Backend:
    """A network on the device and runtime asked for; see :class:`ExportedBackend`.

    PyTorch is loaded at once only where it is needed at once. Raises ``UsageError`` for an unknown network or
    runtime, ``NetworkError`` for unusable weights, ``BackendError`` for a device that is not here,
    ``MissingPackageError`` when nothing that is installed can run the network.
    """
    if runtime != "auto" and runtime not in BACKENDS:
        raise UsageError(f"unknown backend {runtime!r}; possible: auto, {', '.join(BACKENDS)}")
    for package in ("torch", "onnx") if runtime in ON_GRAPHICS else ():
        require_installed(package, f"the backend {runtime}")
    info = network_info(network)
    device = choose_device(device)
    reference = Reference(functools.partial(load_reference, network, weights, device, threads))
    path = find_weights(network, weights)
    if runtime == "pytorch" or path is None:
        eager = reference.get()  # downloads the weights, or says how to get them
        if runtime == "pytorch":
            return eager
    else:
        require_undamaged(network, path)
    if runtime == "auto" and not registry.candidates(device) and not installed("torch"):
        raise MissingPackageError(
            f"dreaming {network} needs OpenVINO, ONNX Runtime or PyTorch, and none is installed;"
            f" to add them: {full_command()}"
        )
    sha256 = weights_hash(network, weights)
    backend = ExportedBackend(
        reference, network, weights, sha256, device=device, runtime=runtime, threads=threads, wait=wait
    )
    specs = (GraphSpec(network, layer.name) for layer in info.layers)
    if device != "cpu" or not any(backend.files.find(spec) for spec in specs):
        reference.get()
    return backend
