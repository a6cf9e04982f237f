"""From a graph's spec to a session: its file is found or exported, and opened in the fastest runtime."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor

from livedream.errors import BackendError
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec
from livedream.networks.objective import Guide, Objective
from livedream.runtimes import registry
from livedream.runtimes.calibration import Run, measure, rank
from livedream.runtimes.exporter import GraphFiles
from livedream.runtimes.pytorch import TorchBackend
from livedream.runtimes.registry import Runtimes
from livedream.runtimes.store import OpenedGraph

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """An input to compare runtimes on: an image (1, 3, H, W), an objective and its second input."""

    image: Tensor
    objective: Objective
    second: Tensor


class GraphOpener:
    """Opens graphs in the first of ``runtimes`` that starts; the first call puts these in order.

    Runtimes that cannot start are dropped, and each is reported: ``report(text, log level)``.
    """

    def __init__(
        self,
        files: GraphFiles,
        runtimes: Runtimes,
        reference: TorchBackend,
        *,
        threads: int,
        calibrated: bool,
        report: Callable[[str, int], None],
    ) -> None:
        self._files, self._runtimes, self._reference = files, runtimes, reference
        self._threads, self._calibrated, self._report = threads, calibrated, report

    def open(self, spec: GraphSpec, sample: Sample | None) -> OpenedGraph | None:
        """The graph, opened; None when PyTorch is faster than every runtime.

        The first call with a ``sample`` compares the runtimes on it. Raises ``BackendError`` when there is no
        graph.
        """
        path = self._files.path(spec)
        if not self._calibrated and sample is not None:
            fastest = self._calibrate(spec, path, sample)
            if fastest is not None:
                return fastest
        for runtime in self._runtimes.names():
            try:
                return self._opened(runtime, spec, path, tried=sample is not None)
            except BackendError as error:
                self._drop(runtime, str(error))
        return None

    def _opened(self, runtime: str, spec: GraphSpec, path: Path, *, tried: bool = True) -> OpenedGraph:
        """Open a graph and measure its memory.

        ``tried``: after a first run, which packs weights and allocates activations; a spare graph, which may
        never be used, does without them. Other threads allocate and free meanwhile, so a graph counts for its
        file's size at least.
        """
        device = self._reference.device
        before = _memory_in_use(device)
        session = registry.open_session(runtime, path, self._threads)
        if (
            tried and device.type != "cuda"
        ):  # there the first run captures a CUDA graph, which belongs to its thread
            try:
                session(*_neutral_inputs(spec))
            except Exception as error:  # each runtime has exceptions of its own
                raise BackendError(f"it does not run {spec.stem}: {error}") from error
        return OpenedGraph(session, runtime, max(path.stat().st_size, _memory_in_use(device) - before))

    def _calibrate(self, spec: GraphSpec, path: Path, sample: Sample) -> OpenedGraph | None:
        """Put the runtimes in order; the graph in the fastest of them, None when PyTorch is faster."""
        opened: dict[str, OpenedGraph] = {}
        for runtime in self._runtimes.names():
            try:
                opened[runtime] = self._opened(runtime, spec, path)
            except BackendError as error:
                self._drop(runtime, str(error))
        runs: dict[str, Run] = {
            runtime: functools.partial(graph.session, sample.image, sample.second)
            for runtime, graph in opened.items()
        }
        objective = sample.objective
        if objective.guide is not None:  # the graph takes only some of its features
            objective = dataclasses.replace(objective, guide=Guide(sample.second))
        pytorch = functools.partial(self._reference.gradient, sample.image, spec.layer, objective)
        wait_for_gpu = torch.cuda.synchronize if self._reference.device.type == "cuda" else lambda: None
        pytorch_s, measured = measure(pytorch, runs, wait_for_gpu)
        ranking = rank(pytorch_s, measured)
        for runtime, reason in ranking.excluded.items():
            self._drop(runtime, reason)
        self._runtimes.keep(ranking.order)
        self._calibrated = True
        times = {"pytorch": pytorch_s} | {name: found.time_s for name, found in measured.items()}
        log.info("%s: %s", spec.stem, ", ".join(f"{name} {s * 1e3:.1f} ms" for name, s in times.items()))
        return next((opened[runtime] for runtime in self._runtimes.names()), None)

    def _drop(self, runtime: str, reason: str) -> None:
        if self._runtimes.drop(runtime):
            self._report(f"{runtime} disabled: {reason}", logging.ERROR)


def _neutral_inputs(spec: GraphSpec) -> tuple[Tensor, Tensor]:
    channels = network_info(spec.network).layer(spec.layer).channels
    shape = (channels, GUIDE_FEATURES) if spec.guide else (1, channels, 1, 1)
    return torch.full((1, 3, spec.height, spec.width), 0.5), torch.ones(shape)


def _memory_in_use(device: torch.device) -> int:
    """In bytes: of the whole GPU, or of this process."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(total - free)
    return int(psutil.Process().memory_info().rss)
