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
from livedream.runtimes.base import Session
from livedream.runtimes.calibration import Run, measure, rank
from livedream.runtimes.exporter import GraphFiles
from livedream.runtimes.pytorch import TorchBackend
from livedream.runtimes.registry import Runtimes
from livedream.runtimes.store import OpenedGraph

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """One input of a graph, on which runtimes can be compared: an image (1, 3, H, W) and what is raised."""

    image: Tensor
    objective: Objective
    second: Tensor


class GraphOpener:
    """Opens graphs in the first of ``runtimes`` that starts, after it has put these in order, once.

    Runtimes that cannot start are dropped, each with a ``report`` of its own.
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
            self._calibrate(spec, path, sample)
        for runtime in self._runtimes.names():
            try:
                return self._opened(runtime, spec, path)
            except BackendError as error:
                self._drop(runtime, str(error))
        return None

    def _opened(self, runtime: str, spec: GraphSpec, path: Path) -> OpenedGraph:
        """Open a graph and measure what that costs: its first run packs weights and takes room for its
        activations. Other threads take memory meanwhile, or return some, so the file's size is the least."""
        device = self._reference.device
        before = _memory_in_use(device)
        session = registry.open_session(runtime, path, self._threads)
        if device.type != "cuda":  # there a first run captures a CUDA graph, which is its own thread's
            try:
                session(*_neutral_inputs(spec))
            except Exception as error:  # each runtime has exceptions of its own
                raise BackendError(f"it does not run {spec.stem}: {error}") from error
        return OpenedGraph(session, runtime, max(path.stat().st_size, _memory_in_use(device) - before))

    def _calibrate(self, spec: GraphSpec, path: Path, sample: Sample) -> None:
        runs: dict[str, Run] = {}
        for runtime in self._runtimes.names():
            try:
                session: Session = registry.open_session(runtime, path, self._threads)
            except BackendError as error:
                self._drop(runtime, str(error))
                continue
            runs[runtime] = functools.partial(session, sample.image, sample.second)
        objective = sample.objective
        if objective.guide is not None:  # a graph takes only some of a guide's features
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

    def _drop(self, runtime: str, reason: str) -> None:
        if self._runtimes.drop(runtime):
            self._report(f"{runtime} disabled: {reason}", logging.ERROR)


def _neutral_inputs(spec: GraphSpec) -> tuple[Tensor, Tensor]:
    channels = network_info(spec.network).layer(spec.layer).channels
    shape = (channels, GUIDE_FEATURES) if spec.guide else (1, channels, 1, 1)
    return torch.full((1, 3, spec.height, spec.width), 0.5), torch.ones(shape)


def _memory_in_use(device: torch.device) -> int:
    """In bytes: of the GPU, by whoever uses it, or of this process."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(total - free)
    return int(psutil.Process().memory_info().rss)
