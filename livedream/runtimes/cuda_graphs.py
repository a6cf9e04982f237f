"""CUDA graphs: a small step on a GPU is mostly the launching of kernels; a graph launches all at once.

Source: PyTorch's notes on CUDA semantics, "CUDA Graphs" (whole-network capture).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

log = logging.getLogger(__name__)

#: Each graph holds the memory of a whole step; the ones unused for the longest go.
_MOST_GRAPHS = 16
_WARM_UPS = 3


class Graphs:
    """Steps that are captured when they first run, and replayed from then on; plain calls if that fails."""

    def __init__(self) -> None:
        self._captured: OrderedDict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = OrderedDict()
        self._turn = threading.Lock()
        self.working = True

    def __call__(self, key: Hashable, x: Tensor, step: Callable[[Tensor], Tensor]) -> Tensor:
        """``step(x)``, captured under ``key``: a step of the same key must do the same to any ``x``.

        ``x`` and the result are on the GPU; the result belongs to the caller.
        """
        with self._turn:  # a graph has one input and one output, whoever runs it
            return self._run(key, x, step) if self.working else step(x)

    def _run(self, key: Hashable, x: Tensor, step: Callable[[Tensor], Tensor]) -> Tensor:
        if key not in self._captured:
            try:
                self._captured[key] = self._capture(x, step)
            except RuntimeError as error:
                log.warning("no CUDA graphs: %s", error)
                self.working = False
                return step(x)
            while len(self._captured) > _MOST_GRAPHS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        graph, given, result = self._captured[key]
        given.copy_(x)
        graph.replay()
        return result.clone()

    @staticmethod
    def _capture(x: Tensor, step: Callable[[Tensor], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        given = x.detach().clone()
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # libraries choose their kernels before the capture
            for _ in range(_WARM_UPS):
                step(given)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = step(given)
        return graph, given, result
