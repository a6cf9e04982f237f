"""CUDA graphs: most of a small step on a GPU is launching kernels, and a CUDA graph launches all at once.

Source: PyTorch's notes on CUDA semantics, "CUDA Graphs" (whole-network capture).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from livedream.runtimes.device_errors import DeviceFailedError, failure, reason_of

log = logging.getLogger(__name__)

#: Each CUDA graph holds the memory of a whole step; the least recently used are freed.
MOST_GRAPHS = 16
_WARM_UPS = 3
#: One capture at a time: runtimes are compared in a thread of their own.
_CAPTURING = threading.Lock()

#: From an image, and what else is given, to what was found in it.
Function = Callable[..., tuple[Tensor, ...]]


def capture(x: Tensor, step: Function, *more: Tensor) -> Function:
    """``step`` as a CUDA graph for inputs like ``x`` and ``more``, on the GPU.

    Raises ``RuntimeError`` if that fails.
    """
    given = [tensor.detach().clone() for tensor in (x, *more)]
    side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side_stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side_stream):  # libraries choose their kernels before the capture
        for _ in range(_WARM_UPS):
            step(*given)
    torch.cuda.current_stream().wait_stream(side_stream)
    graph = torch.cuda.CUDAGraph()
    with _CAPTURING, torch.cuda.graph(graph, capture_error_mode="thread_local"):
        results = step(*given)

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        for place, tensor in zip(given, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay


class CudaGraphs:
    """Captures each step on its first run and replays it from then on; plain calls if that fails."""

    def __init__(self, capture: Callable[..., Function] = capture) -> None:
        self._capture = capture
        self._captured: OrderedDict[Hashable, Function] = OrderedDict()
        self._lock = threading.Lock()
        self.working = True

    def __call__(self, key: Hashable, x: Tensor, step: Function, *more: Tensor) -> tuple[Tensor, ...]:
        """``step(x, *more)``, captured under ``key``: a step of the same key must do the same to any inputs.

        A CUDA graph goes on reading the other tensors that its step read, so ``key`` must keep them alive.
        Inputs and results are on the GPU; the results belong to the caller.
        """
        with self._lock:  # a CUDA graph has one input and one output, for all threads
            return self._run(key, step, x, *more) if self.working else step(x, *more)

    def _run(self, key: Hashable, step: Function, x: Tensor, *more: Tensor) -> tuple[Tensor, ...]:
        if key not in self._captured:
            try:
                self._captured[key] = self._capture(x, step, *more)
            except RuntimeError as error:
                log.warning("CUDA graphs disabled: %s", error)
                self.working = False
                return step(x, *more)
            while len(self._captured) > MOST_GRAPHS:
                self._captured.popitem(last=False)
        self._captured.move_to_end(key)
        return self._captured[key](x, *more)


#: A function without arguments that reads and writes tensors whose addresses stay the same.
InPlace = Callable[[], None]


class CaptureInPlace:
    """Captures functions as CUDA graphs that share their memory.

    They may: each leaves its results in tensors that are not part of that memory, and none runs beside
    another. What is captured runs ``warm_ups`` times before; one that has run before needs fewer.
    """

    def __init__(self, warm_ups: int = _WARM_UPS) -> None:
        self._pool: Any = None
        self._warm_ups = warm_ups

    def __call__(self, function: InPlace, written: Sequence[Tensor]) -> InPlace:
        """``function`` as a CUDA graph. Raises ``RuntimeError`` if that fails.

        It runs a few times first, after which ``written``, the tensors that it writes, are as before.
        """
        kept = [tensor.clone() for tensor in written]
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(self._warm_ups):
                function()
        torch.cuda.current_stream().wait_stream(side_stream)
        for tensor, before in zip(written, kept, strict=True):
            tensor.copy_(before)
        graph = torch.cuda.CUDAGraph()
        with _CAPTURING, torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            function()
        self._pool = graph.pool()
        replay: InPlace = graph.replay
        return replay


class Recorded:
    """Records functions on their first run and replays them from then on; plain calls if that fails.

    The least recently used make room for others. ``capture`` None: nothing is recorded.
    """

    def __init__(
        self,
        device: torch.device,
        capture: Callable[[InPlace, Sequence[Tensor]], InPlace] | None,
        most: int = MOST_GRAPHS,
    ) -> None:
        self._device, self._capture, self._most = device, capture, most
        #: Recordings, each with its function, which holds the tensors that it reads.
        self._recorded: OrderedDict[Hashable, tuple[InPlace, InPlace]] = OrderedDict()

    @property
    def working(self) -> bool:
        """Whether functions are recorded."""
        return self._capture is not None

    def __len__(self) -> int:
        return len(self._recorded)

    def __call__(self, key: Hashable, function: InPlace, written: Sequence[Tensor]) -> None:
        """``function()``, recorded under ``key``: a function of the same key must do the same.

        It must keep alive all the tensors that it reads; ``written`` are those that it writes.
        """
        if key in self._recorded:
            self._recorded.move_to_end(key)
        elif self._capture is None:
            function()
            return
        else:
            try:
                self._recorded[key] = self._capture(function, written), function
            except RuntimeError as error:
                found = failure(self._device, error, "a CUDA graph")
                if not isinstance(found, DeviceFailedError):
                    raise found from error
                log.warning("CUDA graphs disabled: %s", reason_of(error))
                self._capture = None
                self._recorded.clear()
                function()
                return
            while len(self._recorded) > self._most:
                self._recorded.popitem(last=False)
        self._recorded[key][0]()
