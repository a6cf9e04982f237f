"""Exported graphs run by PyTorch, on NVIDIA's graphics cards: see ``graph_module``."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.frame import Array
from livedream.runtimes.base import Step
from livedream.runtimes.cuda_graphs import CudaGraphs
from livedream.runtimes.graph_module import read_graph
from livedream.runtimes.on_device import DeviceGradient
from livedream.runtimes.pytorch import choose_precision

#: Second inputs that stay on the device: channels and guides that are faded between, and a few of before, of
#: all dreams that share a session.
_MOST_SECONDS = 64
_SHORT = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


def precision_of(device: str) -> str:
    """The precision that networks run in on ``device``: ``fp32``, ``bf16`` or ``fp16``."""
    return _SHORT[choose_precision(torch.device(device))]


class TorchGraphSession:
    """An exported graph as a PyTorch module on ``device``, for images of ``size`` (width, height).

    On an NVIDIA GPU it runs as a CUDA graph, or as part of the whole tick's. With ``compiled`` PyTorch's
    compiler makes fewer and faster kernels of it, which takes minutes.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        device: str,
        *,
        compiled: bool = False,
        graphs: CudaGraphs | None = None,
    ) -> None:
        self.device, self._compiled = torch.device(device), compiled
        precision = choose_precision(self.device)
        self._module: Any = read_graph(path, size, device=self.device, precision=precision)
        if compiled:
            # The CUDA graph is ours: it covers the whole tick.
            mode = "max-autotune-no-cudagraphs" if self.device.type == "cuda" else "default"
            self._module = torch.compile(self._module, mode=mode, dynamic=False)
        if graphs is None and self.device.type == "cuda":
            graphs = CudaGraphs()
        self._graphs = graphs
        self._seconds: OrderedDict[int, tuple[Array, Tensor]] = OrderedDict()
        self._lock = threading.Lock()
        kind = "compiled" if compiled else "graph"
        self.name = f"PyTorch {kind} {self.device.type} {_SHORT[precision]}"

    def __call__(self, image: Array, second: Array) -> Step:
        """See :class:`livedream.runtimes.base.Session`."""
        x, held = self._tensor(image), self._held(second)
        with self._lock:  # a CUDA graph has one place for each input
            outputs = (
                self._run(x, held)
                if self._graphs is None
                else self._graphs(tuple(held.shape), x, self._run, held)
            )
            gradient, strength, activity = (output.cpu().numpy() for output in outputs)
        return Step(np.ascontiguousarray(gradient[0].transpose(1, 2, 0)), float(strength), activity)

    def features(self, image: Array) -> Array:
        """See :class:`livedream.runtimes.base.Session`."""
        with torch.no_grad():
            (found,) = self._module(self._tensor(image))
        return np.ascontiguousarray(found.cpu().numpy())

    def on_device(self, second: Array) -> DeviceGradient:
        """The gradient as a function of the device's tensors."""
        return DeviceGradient(
            self,
            lambda image, given: self._run(image, given)[0],
            self._held(second),
            batchable=not self._compiled,
        )

    def _run(self, image: Tensor, second: Tensor | None) -> tuple[Tensor, ...]:
        with torch.no_grad():
            outputs: tuple[Tensor, ...] = self._module(image, second)
        return outputs

    def _tensor(self, image: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).to(self.device).permute(2, 0, 1)[None]

    def _held(self, second: Array) -> Tensor:
        """``second`` on the device, the same tensor for the same array."""
        key = id(second)
        with self._lock:
            if key not in self._seconds:
                self._seconds[key] = second, torch.from_numpy(second).to(self.device)
                while len(self._seconds) > _MOST_SECONDS:
                    self._seconds.popitem(last=False)
            self._seconds.move_to_end(key)
            return self._seconds[key][1]
