"""A backend that runs exported gradients where they are ready, and PyTorch where they are not yet.

Whatever is asked for is exported, compiled and, the first time, calibrated in the background, the layer and
sizes of now first, then their neighbours in the layer list. The dream never waits for it.
"""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from livedream.errors import BackendError, LivedreamError, UsageError
from livedream.networks.catalogue import BACKENDS, network_info
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec, exported_dir, find_exported, weights_hash
from livedream.networks.load import load_network
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes.export_process import ExportWorker
from livedream.runtimes.pytorch import Backend, TorchBackend
from livedream.runtimes.sessions import Session, candidates, open_session

log = logging.getLogger(__name__)

#: At most so many compiled graphs are held, and about so many bytes; the ones unused for the longest go.
CACHE_ENTRIES, CACHE_BYTES = 32, 1 << 30
# A compiled graph holds about this many times its file's size: packed weights, and room for activations.
_BYTES_OF_FILE = 2.0
# What a runtime must reach against PyTorch on the picture of the moment, in whatever precision.
_LEAST_COSINE = 0.9
_CALIBRATION_ROUNDS = 10
# PyTorch must be faster by this factor: it also takes time from the rest of the process, the others do not.
_PYTORCH_HANDICAP = 0.8
# The exporting process is sent home after so many seconds without work.
_REST_S = 20.0


class ExportedBackend:
    """One network, run by the fastest runtime of this machine.

    ``runtime`` is ``auto`` or a name of :data:`livedream.networks.catalogue.BACKENDS`. With ``wait`` the
    first gradient of each layer and size waits for its export: results do not depend on when it was ready.
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
    ) -> None:
        self.device = reference.device
        self._folder = exported_dir() if folder is None else folder
        self._reference = reference
        self._network, self._weights, self._sha256 = network, weights, weights_sha256
        self._half = self.device.type == "cuda"
        self._threads = threads
        self._wait = wait
        self._runtimes = candidates(self.device) if runtime == "auto" else [runtime]
        self._calibrated = runtime != "auto"
        self._sessions: OrderedDict[GraphSpec, tuple[Session, int]] = OrderedDict()
        self._unfit: dict[GraphSpec, str] = {}
        self._wanted: OrderedDict[GraphSpec, Tensor] = OrderedDict()
        self._sizes: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._weights_of: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._news = threading.Condition()
        self._worker = ExportWorker()
        self._thread: threading.Thread | None = None
        self._thinned: tuple[Guide, Tensor] | None = None
        self._ran = reference.name
        self._closed = False
        self._preparing = False
        self.message = ""

    @property
    def name(self) -> str:
        """What ran the last gradient, and whether something faster is on its way."""
        waiting = self._ran == self._reference.name and self._preparing
        return f"{self._ran}, preparing a faster one" if waiting else self._ran

    def activation(self, image: Tensor, layer: str) -> Tensor:
        """See :class:`livedream.runtimes.pytorch.Backend`; always PyTorch's."""
        return self._reference.activation(image, layer)

    def gradient(self, image: Tensor, layer: str, objective: Objective) -> Tensor:
        """See :class:`livedream.runtimes.pytorch.Backend`."""
        spec = self._spec(image, layer, objective)
        session = self._session(spec, image)
        if session is None:
            self._ran = self._reference.name
            return self._reference.gradient(image, layer, objective)
        self._ran = session.name
        return session(image, self._second_input(layer, objective))

    def drop(self, reason: str) -> bool:
        """Give up the runtime that ran last, for the next one or PyTorch: it gave NaN, say."""
        with self._news:
            if not self._runtimes or self._ran == self._reference.name:
                return False
            dropped = self._runtimes.pop(0)
            self._sessions.clear()
            self._report(f"{dropped} is dropped: {reason}", logging.ERROR)
            return True

    def close(self) -> None:
        """End the preparing, in whatever it is doing."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._worker.interrupt()
        if self._thread is not None:
            self._thread.join()
        self._worker.rest()

    def _spec(self, image: Tensor, layer: str, objective: Objective) -> GraphSpec:
        height, width = image.shape[-2:]
        return GraphSpec(
            self._network,
            layer,
            width,
            height,
            half=self._half,
            pool_gradient=objective.pool_gradient,
            guide=objective.guide is not None,
        )

    def _second_input(self, layer: str, objective: Objective) -> Tensor:
        if objective.guide is not None:
            if self._thinned is None or self._thinned[0] is not objective.guide:
                features = objective.guide.features.float()
                chosen = torch.linspace(0, features.shape[1] - 1, GUIDE_FEATURES).round().long()
                self._thinned = objective.guide, features[:, chosen.to(features.device)]
            return self._thinned[1]
        key = layer, objective.channels
        if key not in self._weights_of:
            channels = network_info(self._network).layer(layer).channels
            self._weights_of[key] = objective.weights(channels).to(self.device)
        return self._weights_of[key]

    # --- finding and preparing

    def _session(self, spec: GraphSpec, image: Tensor) -> Session | None:
        with self._news:
            size = spec.width, spec.height
            self._sizes[size] = None
            self._sizes.move_to_end(size)
            while len(self._sizes) > 8:
                self._sizes.popitem(last=False)
            if spec in self._sessions:
                self._sessions.move_to_end(spec)
                return self._sessions[spec][0]
            if not self._runtimes or spec in self._unfit:
                return None
            self._preparing = True
            self._wanted[spec] = image.detach().clone()
            self._wanted.move_to_end(spec)
            if self._thread is None:
                self._thread = threading.Thread(target=self._prepare, name="prepare gradients", daemon=True)
                self._thread.start()
            self._news.notify_all()
            if self._wait:
                self._news.wait_for(
                    lambda: spec in self._sessions or spec in self._unfit or not self._runtimes
                )
                return self._sessions[spec][0] if spec in self._sessions else None
            return None

    def _prepare(self) -> None:
        """The body of the preparing thread."""
        last = time.monotonic()
        while not self._closed:
            with self._news:
                job = self._next()
                if job is None and not self._closed:
                    self._preparing = False
                    self._news.wait(1.0)
            if job is None:
                if time.monotonic() - last > _REST_S:
                    self._worker.rest()
                continue
            try:
                self._make(*job)
            except Exception as error:  # whatever a runtime raises, the others and PyTorch go on
                log.exception("preparing %s broke off", job[0].stem)
                self._give_up(job[0], repr(error))
            last = time.monotonic()

    def _next(self) -> tuple[GraphSpec, Tensor | None] | None:
        while self._wanted:
            spec, image = self._wanted.popitem()
            if spec not in self._sessions and spec not in self._unfit:
                return spec, image
        if not self._sessions or not self._runtimes or self._wait:
            return None
        return self._neighbour()

    def _neighbour(self) -> tuple[GraphSpec, None] | None:
        """Of the graph that ran last: the same sizes at the layers below and above it."""
        current = next(reversed(self._sessions))
        names = [layer.name for layer in network_info(self._network).layers]
        here = names.index(current.layer) if current.layer in names else 0
        for layer in (names[(here + 1) % len(names)], names[here - 1]):
            for width, height in reversed(self._sizes):
                spec = GraphSpec(
                    self._network, layer, width, height, self._half, 0, current.pool_gradient, current.guide
                )
                if spec not in self._sessions and spec not in self._unfit:
                    room = len(self._sessions) + 1 <= CACHE_ENTRIES and self._bytes() < CACHE_BYTES * 0.8
                    return (spec, None) if room else None
        return None

    def _make(self, spec: GraphSpec, image: Tensor | None) -> None:
        try:
            path = find_exported(spec, self._sha256, self._folder)
            if path is None:
                log.log(logging.INFO if self._wait else logging.DEBUG, "exporting %s, once", spec.stem)
                path = self._worker.export(spec, self._weights, self._folder)
            session = self._opened(spec, path, image)
        except LivedreamError as error:
            if self._closed:
                return
            self._give_up(spec, str(error))
            return
        with self._news:
            if session is not None:
                self._sessions[spec] = session, int(path.stat().st_size * _BYTES_OF_FILE)
                # A neighbour must not look like what ran last.
                self._sessions.move_to_end(spec, last=image is not None)
                self._free()
            self._news.notify_all()

    def _give_up(self, spec: GraphSpec, reason: str) -> None:
        with self._news:
            self._unfit[spec] = reason
            self._report(f"{spec.layer} runs in PyTorch: {reason}", logging.WARNING)
            self._news.notify_all()

    def _opened(self, spec: GraphSpec, path: Path, image: Tensor | None) -> Session | None:
        """The graph in the fastest runtime that starts; None when PyTorch is faster than all."""
        if not self._calibrated and image is not None:
            return self._calibrate(spec, path, image)
        while self._runtimes:
            runtime = self._runtimes[0]
            if runtime == "pytorch":
                self._runtimes.clear()
                break
            try:
                return open_session(runtime, path, self._threads)
            except BackendError as error:
                self._runtimes.pop(0)
                self._report(f"{runtime} is dropped: {error}", logging.ERROR)
        return None

    def _calibrate(self, spec: GraphSpec, path: Path, image: Tensor) -> Session | None:
        """Time every runtime on ``image``, keep them in the order of their speed, without those slower than
        PyTorch."""
        objective = LAYER_L2 if not spec.guide else None
        channels = network_info(self._network).layer(spec.layer).channels
        second = torch.rand(channels, GUIDE_FEATURES) if objective is None else objective.weights(channels)
        second = second.to(self.device)

        def eager() -> Tensor:
            return self._reference.gradient(image, spec.layer, Objective(pool_gradient=spec.pool_gradient))

        expected = eager()
        runs: dict[str, Callable[[], Tensor]] = {"pytorch": eager}
        sessions: dict[str, Session] = {}
        for runtime in self._runtimes:
            try:
                session = open_session(runtime, path, self._threads)
                found = session(image, second)
                cosine = float(cosine_similarity(found.flatten(), expected.flatten(), 0))
                if objective is not None and not cosine > _LEAST_COSINE:  # not: NaN is never larger
                    raise BackendError(f"its gradient is not PyTorch's (cosine {cosine:.3f})")
            except BackendError as error:
                self._report(f"{runtime} is left out: {error}", logging.WARNING)
                continue
            sessions[runtime] = session
            runs[runtime] = functools.partial(session, image, second)
        times = self._times(runs)
        order = sorted(times, key=times.__getitem__)
        log.info(
            "%s %s at %dx%d: %s",
            *(self._network, spec.layer, spec.width, spec.height),
            ", ".join(f"{name} {times[name] * 1e3:.1f} ms" for name in order),
        )
        self._calibrated = True
        limit = times["pytorch"] / _PYTORCH_HANDICAP
        self._runtimes = [name for name in order if name != "pytorch" and times[name] < limit]
        return sessions[self._runtimes[0]] if self._runtimes else None

    def _times(self, runs: dict[str, Callable[[], Tensor]]) -> dict[str, float]:
        """The best of a few runs of each, in turns, in seconds; the dream goes on beside it."""
        best = dict.fromkeys(runs, math.inf)
        for _ in range(_CALIBRATION_ROUNDS):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                best[name] = min(best[name], time.perf_counter() - start)
        return best

    def _bytes(self) -> int:
        return sum(size for _, size in self._sessions.values())

    def _free(self) -> None:
        while len(self._sessions) > CACHE_ENTRIES or self._bytes() > CACHE_BYTES:
            spec, _ = self._sessions.popitem(last=False)
            log.info("freed %s", spec.stem)

    def _report(self, text: str, level: int) -> None:
        self.message = text
        log.log(level, text)


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
