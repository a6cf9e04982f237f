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

#: Each CUDA graph holds the memory of a whole step; the least recently used are freed.
MOST_GRAPHS = 16
_WARM_UPS = 3

#: From an image to what was found in it.
Function = Callable[[Tensor], tuple[Tensor, ...]]


def capture(x: Tensor, step: Function) -> Function:
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
        results = step(given)

    def replay(x: Tensor) -> tuple[Tensor, ...]:
        given.copy_(x)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay


class CudaGraphs:
    """Captures each step on its first run and replays it from then on; plain calls if that fails."""

    def __init__(self, capture: Callable[[Tensor, Function], Function] = capture) -> None:
        self._capture = capture
        self._captured: OrderedDict[Hashable, Function] = OrderedDict()
        self._lock = threading.Lock()
        self.working = True

    def __call__(self, key: Hashable, x: Tensor, step: Function) -> tuple[Tensor, ...]:
        """``step(x)``, captured under ``key``: a step of the same key must do the same to any ``x``.

        A CUDA graph goes on reading the tensors that its step read, so ``key`` must keep them alive.
        ``x`` and the results are on the GPU; the results belong to the caller.
        """
        with self._lock:  # a CUDA graph has one input and one output, for all threads
            return self._run(key, x, step) if self.working else step(x)

    def _run(self, key: Hashable, x: Tensor, step: Function) -> tuple[Tensor, ...]:
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
