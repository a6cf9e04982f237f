"""A backend that runs exported graphs, and PyTorch only for what has not been exported yet."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from livedream.errors import BackendError, MissingPackageError, UsageError
from livedream.extras import full_command, installed, require_installed
from livedream.frame import Array
from livedream.networks.catalogue import find_weights, network_info
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec, weights_hash
from livedream.networks.objective import Guide, HeldWeights, Objective
from livedream.networks.provenance import require_undamaged
from livedream.runtimes import registry
from livedream.runtimes.base import Backend, Session, Step
from livedream.runtimes.device_errors import is_out_of_memory
from livedream.runtimes.devices import choose_device
from livedream.runtimes.names import BACKENDS, ON_GRAPHICS
from livedream.runtimes.on_device import DeviceGradient, gradient_on_device
from livedream.runtimes.open_graphs import OpenGraphs
from livedream.runtimes.reference import Reference, load_reference
from livedream.runtimes.store import Key, OpenedGraph, SessionStore


class ExportedBackend:
    """One network, run by ``graphs``, for one dreamer.

    Where these wait, the first gradient of each layer and size waits for its graph, so that results do not
    depend on timing. ``shared`` graphs stay open when this is closed.
    """

    def __init__(self, graphs: OpenGraphs, *, shared: bool = False) -> None:
        self.graphs, self._shared = graphs, shared
        self.device = self.device_name = graphs.device
        self._reference, self._network = graphs.reference, graphs.network
        self._guide_features: tuple[Guide, Array] | None = None
        self._weights = HeldWeights()
        self._ran: OpenedGraph | None = None
        self._looked: tuple[Key, Session] | None = None

    @property
    def message(self) -> str:
        """See :class:`livedream.runtimes.base.Backend`."""
        return self.graphs.message

    @property
    def comparing(self) -> bool:
        """See :class:`livedream.runtimes.base.Backend`."""
        return self.graphs.comparing

    @property
    def name(self) -> str:
        """What ran the last gradient, and whether something faster is on its way."""
        if self._ran is not None:
            return self._ran.session.name
        if self._reference.loaded is not None:
            return self._reference.loaded.name + (", preparing a faster one" if self.graphs.busy else "")
        return "starting"

    def gradient(self, image: Array, layer: str, objective: Objective) -> Step:
        """See :class:`livedream.runtimes.base.Backend`."""
        key = self._key(layer, (image.shape[1], image.shape[0]), objective)
        self._ran = self.graphs.ready(key)
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
        key = GraphSpec(self._network, layer, "features"), (image.shape[1], image.shape[0])
        if self._looked is None or self._looked[0] != key:
            session = self.graphs.features(key)
            self._looked = None if session is None else (key, session)
        if self._looked is not None:
            return self._looked[1].features(image)
        return self._reference.get().features(image, layer)

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """See :class:`livedream.runtimes.base.Backend`."""
        return self.graphs.settled(self._key(layer, size, objective))

    def opening(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """See :class:`livedream.runtimes.base.Backend`; never with ``wait``."""
        key = self._key(layer, size, objective)
        if self.graphs.wait or key in self.graphs or self.graphs.too_large(key):
            return False
        if not self.graphs.settled(key):
            self.graphs.request(key)
            if self.graphs.quick(key[0]):
                return True
        return self._reference.pending()

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """See :class:`livedream.runtimes.base.Backend`."""
        key = self._key(layer, size, objective)
        if not self.graphs.settled(key):
            self.graphs.request(key)

    def on_device(self, layer: str, size: tuple[int, int], objective: Objective) -> DeviceGradient:
        """See :class:`livedream.runtimes.on_device.OnDevice`."""
        key = self._key(layer, size, objective)
        self._ran = self.graphs.ready(key)
        if self._ran is None:
            return self._reference.get().on_device(layer, size, objective)
        return gradient_on_device(self._ran.session, self._second_input(layer, objective))

    def make_room(self) -> None:
        """See :class:`livedream.runtimes.base.Backend`."""
        self.graphs.make_room()
        self._ran = self._looked = None

    def drop(self, reason: str) -> bool:
        """Stop using the runtime that ran last; the next one takes over, or PyTorch."""
        if self._ran is None:
            return False
        self.graphs.drop(self._ran.runtime, reason)
        self._ran = None
        return True

    def close(self) -> None:
        """Stop all preparation, and an export in the middle. May be called twice."""
        if not self._shared:
            self.graphs.close()

    def _key(self, layer: str, size: tuple[int, int], objective: Objective) -> Key:
        kind = "gradient" if objective.guide is None and not objective.linear else "guide"
        return GraphSpec(self._network, layer, kind, objective.pool_gradient), size

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
    opened = open_graphs(network, weights, device=device, runtime=runtime, threads=threads, wait=wait)
    return ExportedBackend(opened) if isinstance(opened, OpenGraphs) else opened


def open_graphs(
    network: str,
    weights: Path | None,
    *,
    device: str = "auto",
    runtime: str = "auto",
    threads: int = 1,
    wait: bool = False,
    spare: bool = True,
    store: SessionStore | None = None,
) -> OpenGraphs | Backend:
    """A network's graphs, for several backends; or PyTorch's own where ``runtime`` is that.

    Raises as :func:`open_backend`.
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
    graphs = OpenGraphs(
        reference,
        network,
        weights,
        weights_hash(network, weights),
        device=device,
        runtime=runtime,
        threads=threads,
        wait=wait,
        spare=spare,
        store=store,
    )
    specs = (GraphSpec(network, layer.name) for layer in info.layers)
    if device != "cpu" or not any(graphs.files.find(spec) for spec in specs):
        reference.get()
    return graphs
