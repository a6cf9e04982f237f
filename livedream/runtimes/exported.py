"""A backend that runs exported graphs where they are ready, and PyTorch where they are not yet.

What is asked for is exported and opened in the background, the layer and sizes of now first, then the
neighbours in the layer list. The dream never waits for it.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from pathlib import Path

import torch
from torch import Tensor

from livedream.errors import LivedreamError, UsageError
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec, graphs_dir, weights_hash
from livedream.networks.load import load_network
from livedream.networks.objective import Guide, Objective
from livedream.runtimes import registry
from livedream.runtimes.base import Backend
from livedream.runtimes.exporter import Exporter, GraphFiles
from livedream.runtimes.names import BACKENDS
from livedream.runtimes.opening import GraphOpener, Sample
from livedream.runtimes.preparing import Preparer
from livedream.runtimes.pytorch import TorchBackend
from livedream.runtimes.store import OpenedGraph, SessionStore

log = logging.getLogger(__name__)

#: The sizes of a layer that its neighbours are prepared at: those of the octaves, used last.
_NEIGHBOUR_SIZES = 8


class ExportedBackend:
    """One network, run by the fastest runtime of this machine.

    ``runtime`` is ``auto`` or a name of :data:`livedream.runtimes.names.BACKENDS`. With ``wait`` the first
    gradient of each layer and size waits for its graph: results do not depend on when that was ready.
    """

    def __init__(
        self,
        reference: TorchBackend,
        network: str,
        weights: Path | None,
        weights_sha256: str,
        *,
        runtime: str = "auto",
        threads: int = 1,
        wait: bool = False,
        folder: Path | None = None,
        store: SessionStore | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self.device = reference.device
        self.message = ""
        self._reference = reference
        self._network = network
        self._wait = wait
        self._store = SessionStore() if store is None else store
        self._exporter = Exporter() if exporter is None else exporter
        self._runtimes = registry.Runtimes(
            registry.candidates(self.device) if runtime == "auto" else [runtime]
        )
        folder = graphs_dir() if folder is None else folder
        self._opener = GraphOpener(
            GraphFiles(network, weights, weights_sha256, folder, self._exporter),
            self._runtimes,
            reference,
            threads=threads,
            calibrated=runtime != "auto",
            report=self._report,
        )
        self._preparer: Preparer[GraphSpec, Sample | None] = Preparer(
            self._make_ready, self._neighbour, self._give_up, self._exporter.stop
        )
        # Written by the preparing thread only, a key at a time.
        self._given_up: dict[GraphSpec, str] = {}
        self._neighbours_fit = True
        self._guide_features: tuple[Guide, Tensor] | None = None
        self._ran: OpenedGraph | None = None

    @property
    def name(self) -> str:
        """What ran the last gradient, and whether something faster is on its way."""
        if self._ran is not None:
            return self._ran.session.name
        return self._reference.name + (", preparing a faster one" if self._preparer.busy else "")

    def activation(self, image: Tensor, layer: str) -> Tensor:
        """See :class:`livedream.runtimes.base.Backend`; always PyTorch's."""
        return self._reference.activation(image, layer)

    def gradient(self, image: Tensor, layer: str, objective: Objective) -> Tensor:
        """See :class:`livedream.runtimes.base.Backend`."""
        spec = self._spec(layer, (image.shape[-1], image.shape[-2]), objective)
        second = self._second_input(layer, objective)
        self._ran = self._store.use(spec)
        if self._ran is None and not self._settled(spec):
            self._preparer.ask(spec, Sample(image.detach().clone(), objective, second))
            if self._wait:
                self._preparer.wait_until(lambda: self._settled(spec))
                self._ran = self._store.use(spec)
        if self._ran is not None:
            try:
                return self._ran.session(image, second)
            except Exception as error:  # each runtime has exceptions of its own
                self.drop(f"it stopped running: {error}")
                self._ran = None
        return self._reference.gradient(image, layer, objective)

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """See :class:`livedream.runtimes.base.Backend`."""
        return self._settled(self._spec(layer, size, objective))

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """See :class:`livedream.runtimes.base.Backend`."""
        spec = self._spec(layer, size, objective)
        if not self._settled(spec):
            image = torch.rand(1, 3, spec.height, spec.width, generator=torch.Generator().manual_seed(0))
            second = self._second_input(layer, objective)
            self._preparer.ask(spec, Sample(image.to(self.device), objective, second))

    def drop(self, reason: str) -> bool:
        """Stop using the runtime that ran last; the next one takes over, or PyTorch."""
        if self._ran is None:
            return False
        runtime = self._ran.runtime
        if self._runtimes.drop(runtime):
            self._report(f"{runtime} disabled: {reason}", logging.ERROR)
        self._store.remove_runtime(runtime)
        return True

    def close(self) -> None:
        """Stop all preparing, in the middle of whatever it is doing."""
        self._preparer.interrupt()
        self._exporter.close()
        self._preparer.close()

    def _spec(self, layer: str, size: tuple[int, int], objective: Objective) -> GraphSpec:
        return GraphSpec(
            self._network,
            layer,
            *size,
            half=self.device.type == "cuda",
            pool_gradient=objective.pool_gradient,
            guide=objective.guide is not None,
        )

    def _second_input(self, layer: str, objective: Objective) -> Tensor:
        guide = objective.guide
        if guide is None:
            channels = network_info(self._network).layer(layer).channels
            return _channel_weights(channels, objective.channels, self.device)
        if self._guide_features is None or self._guide_features[0] is not guide:
            features = guide.features.float()
            chosen = torch.linspace(0, features.shape[1] - 1, GUIDE_FEATURES).round().long()
            self._guide_features = guide, features[:, chosen.to(features.device)]
        return self._guide_features[1]

    def _settled(self, spec: GraphSpec) -> bool:
        """Whether a graph is there, or will never be."""
        return spec in self._store or spec in self._given_up or not self._runtimes.names()

    # --- in the preparing thread

    def _make_ready(self, spec: GraphSpec, sample: Sample | None) -> None:
        """Open a graph; without a ``sample`` nobody has asked for it yet."""
        while not self._settled(spec):
            opened = self._opener.open(spec, sample)
            if opened is None:
                return
            if sample is None:
                self._neighbours_fit = self._store.add_spare(spec, opened)
            else:
                self._store.add(spec, opened)
                self._neighbours_fit = True
            if opened.runtime in self._runtimes:
                return
            self._store.remove_runtime(opened.runtime)  # dropped while it opened: the next one

    def _neighbour(self) -> tuple[GraphSpec, None] | None:
        if self._wait or not self._neighbours_fit or not self._store.has_room():
            return None
        layers = [layer.name for layer in network_info(self._network).layers]
        for spec in neighbours(self._store.specs(), layers):
            if not self._settled(spec):
                return spec, None
        return None

    def _give_up(self, spec: GraphSpec, error: Exception) -> None:
        if not isinstance(error, LivedreamError):
            log.error("preparing %s failed", spec.stem, exc_info=error)
        self._given_up[spec] = str(error)
        self._report(f"{spec.layer} runs in PyTorch: {error}", logging.WARNING)

    def _report(self, text: str, level: int) -> None:
        self.message = text
        log.log(level, text)


@functools.lru_cache(maxsize=256)
def _channel_weights(count: int, channels: tuple[int, ...], device: torch.device) -> Tensor:
    return Objective(channels).weights(count).to(device)


def neighbours(specs: list[GraphSpec], layers: list[str]) -> list[GraphSpec]:
    """What to prepare next: the layers above and below the one used last, at the sizes of that one.

    ``specs`` are the graphs that are ready, the one used last at the end.
    """
    if not specs or specs[-1].layer not in layers:
        return []
    last = specs[-1]
    used = [s for s in reversed(specs) if s == dataclasses.replace(last, width=s.width, height=s.height)]
    at = layers.index(last.layer)
    near = dict.fromkeys((layers[(at + 1) % len(layers)], layers[at - 1]))
    return [dataclasses.replace(spec, layer=layer) for layer in near for spec in used[:_NEIGHBOUR_SIZES]]


def open_backend(
    network: str,
    weights: Path | None,
    device: torch.device,
    *,
    runtime: str = "auto",
    threads: int = 1,
    wait: bool = False,
) -> Backend:
    """A network on the device and runtime asked for; see :class:`ExportedBackend`.

    Raises ``UsageError`` for an unknown network or runtime, ``NetworkError`` for unusable weights.
    """
    if runtime != "auto" and runtime not in BACKENDS:
        raise UsageError(f"unknown backend {runtime!r}; possible: auto, {', '.join(BACKENDS)}")
    reference = TorchBackend(load_network(network, weights), device)
    if runtime == "pytorch":
        return reference
    sha256 = weights_hash(network, weights)
    return ExportedBackend(reference, network, weights, sha256, runtime=runtime, threads=threads, wait=wait)
