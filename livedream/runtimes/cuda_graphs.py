"""CUDA graphs: most of a small step on a GPU is launching kernels, and a CUDA graph launches all at once.

Source: PyTorch's notes on CUDA semantics, "CUDA Graphs" (whole-network capture).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from livedream.runtimes.device_errors import DeviceFailedError, failure, reason_of
from livedream.runtimes.recording_budget import Budget

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
    with (
        _CAPTURING,
        torch.cuda.graph(graph, stream=_capture_stream(), capture_error_mode="thread_local"),
    ):
        results = step(*given)

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        for place, tensor in zip(given, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()
        return tuple(result.clone() for result in results)

    return replay


def _capture_stream() -> Any:
    """A stream on which nobody else works.

    PyTorch has 32 streams of each priority, and gives them out again and again: with seven dreams and their
    transfers, one of usual priority is somebody's, whose copies would end up in the recording.
    """
    return torch.cuda.Stream(priority=-1)  # type: ignore[no-untyped-call]


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


@dataclass(frozen=True)
class Part:
    """A part of what a device is told to do: ``run`` writes the tensors ``written``.

    Parts of equal keys do the same. It must keep alive all the tensors that it reads. What is not
    ``recordable`` waits for the device.
    """

    key: Hashable
    run: InPlace
    written: Sequence[Tensor]
    recordable: bool = True


class CaptureInPlace:
    """Captures functions as CUDA graphs that share their memory.

    They may: each leaves its results in tensors that are not part of that memory, and none runs beside
    another.
    """

    def __init__(self) -> None:
        self._pool: Any = None
        self._stream: Any = None

    def __call__(self, function: InPlace, written: Sequence[Tensor]) -> InPlace:
        """``function`` as a CUDA graph. Raises ``RuntimeError`` if that fails.

        It runs a few times first, after which ``written``, the tensors that it writes, are as before.
        """
        kept = [tensor.clone() for tensor in written]
        if self._stream is None:
            self._stream = _capture_stream()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            # What comes later is of kernels that are chosen; running it once makes this thread's handles.
            for _ in range(_WARM_UPS if self._pool is None else 1):
                function()
        torch.cuda.current_stream().wait_stream(self._stream)
        for tensor, before in zip(written, kept, strict=True):
            tensor.copy_(before)
        self._stream.wait_stream(torch.cuda.current_stream())
        graph = torch.cuda.CUDAGraph()
        # Not by torch.cuda.graph, which first waits for the whole device, and gives the driver back all the
        # memory that PyTorch keeps for what runs next.
        with _CAPTURING, torch.cuda.stream(self._stream):
            graph.capture_begin(self._pool, capture_error_mode="thread_local")
            try:
                function()
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(self._stream)
        self._pool = graph.pool()
        replay: InPlace = graph.replay
        return replay


class Recorded:
    """Records functions and replays them from then on; plain calls if that fails.

    The first run of each is recorded, or with a ``budget`` one of the next, when that says so. The least
    recently used make room for others. ``capture`` None: nothing is recorded.
    """

    def __init__(
        self,
        device: torch.device,
        capture: Callable[[InPlace, Sequence[Tensor]], InPlace] | None,
        most: int = MOST_GRAPHS,
        budget: Budget | None = None,
    ) -> None:
        self._device, self._capture, self._most, self._budget = device, capture, most, budget
        #: Recordings, each with its function, which holds the tensors that it reads.
        self._recorded: OrderedDict[Hashable, tuple[InPlace, InPlace]] = OrderedDict()

    @property
    def working(self) -> bool:
        """Whether functions are recorded."""
        return self._capture is not None

    def __len__(self) -> int:
        return len(self._recorded)

    def affords(self, parts: Iterable[Part]) -> bool:
        """Whether ``parts`` run as fast as they can, or will soon: now is no time for new ones if not."""
        if self._capture is None or self._budget is None or self._budget.open:
            return True
        return all(part.key in self._recorded or not part.recordable for part in parts)

    def run(self, parts: Iterable[Part]) -> None:
        """Run ``parts`` in order, each recorded if it can be."""
        for part in parts:
            if part.recordable:
                self(part.key, part.run, part.written)
            else:
                part.run()

    def __call__(self, key: Hashable, function: InPlace, written: Sequence[Tensor]) -> None:
        """``function()``, recorded under ``key``: a function of the same key must do the same.

        It must keep alive all the tensors that it reads; ``written`` are those that it writes.
        """
        if key in self._recorded:
            self._recorded.move_to_end(key)
            self._recorded[key][0]()
        elif self._capture is None or not (self._budget is None or self._budget.allows(key)):
            function()
        else:
            self._record(key, self._capture, function, written)()

    def _record(
        self,
        key: Hashable,
        capture: Callable[[InPlace, Sequence[Tensor]], InPlace],
        function: InPlace,
        written: Sequence[Tensor],
    ) -> InPlace:
        """The recording of ``function``, or itself where nothing can be recorded."""
        try:
            with nullcontext() if self._budget is None else self._budget.spending(key):
                self._recorded[key] = capture(function, written), function
        except RuntimeError as error:
            found = failure(self._device, error, "a CUDA graph")
            if not isinstance(found, DeviceFailedError):
                raise found from error
            log.warning("CUDA graphs disabled: %s", reason_of(error))
            self._capture = None
            self._recorded.clear()
            return function
        while len(self._recorded) > self._most:
            self._recorded.popitem(last=False)
        return self._recorded[key][0]
