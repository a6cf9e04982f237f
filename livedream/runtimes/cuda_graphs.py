"""CUDA graphs: most of a small step on a GPU is launching kernels, and a CUDA graph launches all at once.

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

#: Each CUDA graph holds the memory of a whole step; those unused for the longest go.
MOST_GRAPHS = 16
_WARM_UPS = 3

Step = Callable[[Tensor], Tensor]


def capture(x: Tensor, step: Step) -> Step:
    """``step`` as a CUDA graph for inputs like ``x``, on the GPU. Raises ``RuntimeError`` if that fails."""
    given = x.detach().clone()
    side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side_stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side_stream):  # libraries choose their kernels before the capture
        for _ in range(_WARM_UPS):
            step(given)
    torch.cuda.current_stream().wait_stream(side_stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = step(given)

    def replay(x: Tensor) -> Tensor:
        given.copy_(x)
        graph.replay()
        return result.clone()

    return replay


class CudaGraphs:
    """Steps that are captured when they first run, and replayed from then on; plain calls if that fails."""

    def __init__(self, capture: Callable[[Tensor, Step], Step] = capture) -> None:
        self._capture = capture
        self._captured: OrderedDict[Hashable, Step] = OrderedDict()
        self._lock = threading.Lock()
        self.working = True

    def __call__(self, key: Hashable, x: Tensor, step: Step) -> Tensor:
        """``step(x)``, captured under ``key``: a step of the same key must do the same to any ``x``.

        A CUDA graph reads what its step read from the same memory: whatever that is, ``key`` must hold it.
        ``x`` and the result are on the GPU; the result belongs to the caller.
        """
        with self._lock:  # a CUDA graph has one input and one output, for all threads
            return self._run(key, x, step) if self.working else step(x)

    def _run(self, key: Hashable, x: Tensor, step: Step) -> Tensor:
        if key not in self._captured:
            try:
                self._captured[key] = self._capture(x, step)
            except RuntimeError as error:
                log.warning("CUDA graphs disabled: %s", error)
                self.working = False
                return step(x)
            while len(self._captured) > MOST_GRAPHS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        return self._captured[key](x)
