"""From a graph's spec to a session: its file is found or exported, and opened in the fastest runtime."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from livedream.errors import BackendError, OutOfMemoryError
from livedream.frame import Array
from livedream.memory import trim
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec
from livedream.networks.objective import Guide, Objective
from livedream.runtimes import registry
from livedream.runtimes.base import Session
from livedream.runtimes.calibration import Run, measure, rank
from livedream.runtimes.device_errors import is_out_of_memory
from livedream.runtimes.exporter import GraphFiles
from livedream.runtimes.on_device import gives_gradients
from livedream.runtimes.reference import Reference
from livedream.runtimes.registry import Runtimes
from livedream.runtimes.store import Key, OpenedGraph

log = logging.getLogger(__name__)

_PAGE_BYTES = 4096 if sys.platform == "win32" else os.sysconf("SC_PAGE_SIZE")


class GraphOpener:
    """Opens graphs in the first of ``runtimes`` that starts, and puts these in order.

    Runtimes that cannot start are dropped, and each is reported: ``report(text, log level)``.
    """

    def __init__(
        self,
        files: GraphFiles,
        runtimes: Runtimes,
        reference: Reference,
        *,
        device: str,
        threads: int,
        report: Callable[[str, int], None],
    ) -> None:
        self._files, self._runtimes, self._reference = files, runtimes, reference
        self._device, self._threads, self._report = device, threads, report

    def open(self, key: Key) -> OpenedGraph | None:
        """The graph, opened for its size; None when no runtime can run it.

        Raises ``BackendError`` or ``MissingPackageError`` when there is no graph, ``OutOfMemoryError`` when
        there is no room for it at this size.
        """
        for runtime in self._runtimes.names():
            path = self._files.path(self.file_spec(key[0], runtime))
            try:
                return self._opened(runtime, key, path)
            except BackendError as error:
                if is_out_of_memory(error):
                    raise OutOfMemoryError(f"{key[0].layer} at {key[1][0]}×{key[1][1]}: {error}") from error
                self._drop(runtime, str(error))
        return None

    def calibrate(self, key: Key) -> None:
        """Put the runtimes in order by their speed on this graph.

        None stays when PyTorch, which is only compared where it is loaded, is faster. Raises as :meth:`open`.
        """
        self._runtimes.add(registry.slow_candidates(self._device))
        image, second = trial(key)

        def opening(runtime: str) -> Run:
            path = self._files.path(self.file_spec(key[0], runtime))
            session = self._opened(runtime, key, path).session
            return lambda: session(image, second).gradient

        openings: dict[str, Callable[[], Run]] = {
            runtime: functools.partial(opening, runtime) for runtime in self._runtimes.names()
        }
        reference = self._reference.loaded
        if reference is not None:
            objective = _objective(key[0], second)
            openings["pytorch"] = lambda: lambda: reference.gradient(image, key[0].layer, objective).gradient
        measured = measure(openings)
        trim()
        ranking = rank(measured)
        for runtime, reason in ranking.excluded.items():
            self._drop(runtime, reason)
        self._runtimes.keep(ranking.order)
        times = ", ".join(f"{name} {found.time_s * 1e3:.1f} ms" for name, found in measured.items())
        log.info("%s at %dx%d: %s", key[0].stem, *key[1], times)

    def file_spec(self, spec: GraphSpec, runtime: str) -> GraphSpec:
        """The graph that a runtime takes for ``spec``."""
        return replace(spec, half=registry.in_half(runtime, self._device))

    def _opened(self, runtime: str, key: Key, path: Path) -> OpenedGraph:
        """Open a graph, run it once, and measure its memory.

        The first run packs weights and allocates activations. Other threads allocate and free meanwhile, so a
        graph counts for its file's size at least.
        """
        before = self._memory_in_use()
        session = registry.open_session(runtime, path, key[1], self._threads, self._device)
        try:
            if self._device == "cpu":
                check(session, key)
            elif key[0].kind != "features" and not gives_gradients(session, *trial(key)):
                raise BackendError(f"it gives NaN or another shape for {key[0].stem}")
        except BackendError:
            raise
        except Exception as error:  # each runtime has exceptions of its own
            raise BackendError(f"it does not run {key[0].stem}: {error}") from error
        trim()
        return OpenedGraph(session, runtime, max(path.stat().st_size, self._memory_in_use() - before))

    def _drop(self, runtime: str, reason: str) -> None:
        if self._runtimes.drop(runtime):
            self._report(f"{runtime} disabled: {reason}", logging.ERROR)

    def _memory_in_use(self) -> int:
        """In bytes: of the whole GPU, or of this process."""
        if self._device.startswith("cuda"):
            import torch

            free, total = torch.cuda.mem_get_info()
            return int(total - free)
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
        except OSError:  # not Linux
            import psutil

            return int(psutil.Process().memory_info().rss)
        return pages * _PAGE_BYTES


def trial(key: Key) -> tuple[Array, Array]:
    """An image and a second input to try a graph on; the same each time."""
    (spec, (width, height)), rng = key, np.random.default_rng(0)
    channels = network_info(spec.network).layer(spec.layer).channels
    image = rng.random((height, width, 3), np.float32)
    if spec.kind == "guide":
        return image, rng.random((channels, GUIDE_FEATURES), np.float32)
    return image, np.ones((1, channels, 1, 1), np.float32)


def check(session: Session, key: Key) -> None:
    """Run a session once. Raises ``BackendError`` when what it gives has another shape or is not finite."""
    image, second = trial(key)
    if key[0].kind == "features":
        found = session.features(image)
        right = found.ndim == 2 and len(found) == second.shape[1]
    else:
        found = session(image, second).gradient
        right = found.shape == image.shape
    if not right:
        raise BackendError(f"it gives {key[0].stem} the shape {found.shape} for an image of {image.shape}")
    if not np.isfinite(found.sum()):
        raise BackendError(f"it gives NaN for {key[0].stem}")


def _objective(spec: GraphSpec, second: Array) -> Objective:
    return Objective(guide=Guide(second) if spec.kind == "guide" else None, pool_gradient=spec.pool_gradient)
