"""What is measured, as plain calls: the only module here that knows how networks are opened and run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from livedream.errors import BackendError
from livedream.extras import require
from livedream.frame import Array, Image
from livedream.networks.catalogue import network_info
from livedream.networks.graphs import GraphSpec, graphs_dir, weights_hash
from livedream.networks.objective import LAYER_L2
from livedream.places import create
from livedream.resource import Resource
from livedream.runtimes import registry
from livedream.runtimes.devices import choose_device
from livedream.runtimes.exporter import Exporter, GraphFiles

if TYPE_CHECKING:
    from livedream.dream.dreamer import Dreamer
    from livedream.runtimes.pytorch import TorchBackend

#: Plain PyTorch, to which all else is compared: eager, fp32, autograd.
EAGER = "pytorch-fp32"
_PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(frozen=True)
class Subject:
    """One runtime with one layer at one size: ``step`` takes one gradient and waits for it.

    Image and gradient are arrays on the host, so on a GPU a step includes the way there and back. ``name`` is
    what the HUD would show; ``graph`` is the file that it runs, if it runs one.
    """

    runtime: str
    name: str
    step: Callable[[], object]
    graph: Path | None = None

    @property
    def device(self) -> str:
        """``cpu``, ``gpu`` (Intel's) or ``cuda``."""
        words = self.name.lower().split()
        return next((word for word in ("cuda", "gpu", "mps") if word in words), _device_of(self.runtime))

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16`` or ``fp16``: what it multiplies in."""
        return next((word for word in self.name.split() if word in _PRECISIONS), "fp32")


def _device_of(runtime: str) -> str:
    return "cuda" if runtime == "tensorrt" else "cpu"


class Subjects(Resource):
    """The runtimes of this machine with one network. Graphs that are missing are exported first.

    Raises ``UsageError`` for an unknown network, ``BackendError`` for a device that is not here,
    ``NetworkError`` when the network has no weights here.
    """

    def __init__(self, network: str, weights: Path | None, device: str, threads: int) -> None:
        self._network, self._weights, self._threads = network, weights, threads
        self.device = choose_device(device)
        self._exporter = Exporter()
        self._files = GraphFiles(
            network, weights, weights_hash(network, weights), create(graphs_dir()), self._exporter
        )
        graphs = [*registry.slow_candidates(self.device), *registry.candidates(self.device)]
        if "openvino" in graphs:
            graphs.append("openvino-fp32")
        #: Every runtime that suits this machine, plain PyTorch first.
        self.runtimes = (EAGER, "pytorch", *graphs)

    def close(self) -> None:
        """End an export that is still running."""
        self._exporter.close()

    def open(self, runtime: str, layer: str, size: tuple[int, int]) -> Subject:
        """One runtime with a layer (a name of the table) at (width, height).

        Raises ``BackendError`` when it cannot run here, ``MissingPackageError`` when it is not installed.
        """
        image = np.random.default_rng(0).random((size[1], size[0], 3), np.float32)
        if runtime in (EAGER, "pytorch"):
            backend = self.pytorch(runtime)
            return Subject(runtime, backend.name, partial(backend.gradient, image, layer, LAYER_L2))
        path = self.graph(layer, half=registry.in_half(runtime, self.device))
        session = registry.open_session(runtime, path, size, self._threads, self.device)
        second = LAYER_L2.weights(network_info(self._network).layer(layer).channels)
        return Subject(runtime, session.name, partial(session, image, second), path)

    def graph(self, layer: str, *, half: bool = False) -> Path:
        """The file of a layer's gradient, in half precision if asked for, exported if there is none.

        Raises ``BackendError`` if that fails, ``MissingPackageError`` where nothing can be exported.
        """
        return self._files.path(GraphSpec(self._network, layer, half=half))

    def pytorch(self, runtime: str) -> TorchBackend:
        """PyTorch: plain for :data:`EAGER`, else as the mirror uses it. Raises as :meth:`open`."""
        require("torch", f"{self._network} in {runtime}")
        import torch

        from livedream.networks.load import load_network
        from livedream.runtimes.pytorch import TorchBackend

        torch.set_num_threads(self._threads)
        device, plain = torch.device(self.device), runtime == EAGER
        precision = torch.float32 if plain else None
        # A copy of the network for each: truncated networks share their weights, and so their precision.
        backend = TorchBackend(
            load_network(self._network, self._weights), device, precision, cuda_graphs=not plain
        )
        if not plain and backend.name == f"PyTorch {device.type} fp32":
            raise BackendError(f"on this machine it is {EAGER}")
        return backend


def open_dreamer(network: str, weights: Path | None, device: str, backend: str, threads: int) -> Dreamer:
    """A dreamer as the mirror has one, which waits for its graphs."""
    from livedream.dream.dreamer import Dreamer

    return Dreamer(network, weights=weights, device=device, backend=backend, threads=threads, wait=True)


def gradient(dreamer: Dreamer, image: Array, layer: str) -> Array:
    """The normalised gradient (h, w, 3) for ``image``, float32 (h, w, 3) in [0, 1]."""
    return dreamer.backend.gradient(image, layer, LAYER_L2).gradient


def activation_norm(dreamer: Dreamer, image: Image, layer: str) -> float:
    """The norm of a layer's activation for ``image``, RGB uint8 (h, w, 3)."""
    return float(np.linalg.norm(dreamer.backend.features(image.astype(np.float32) / 255, layer)))


def gpu_name() -> str | None:
    """The name of the GPU that PyTorch sees; None without one, and without PyTorch."""
    torch = torch_with_cuda()
    return None if torch is None else str(torch.cuda.get_device_name())


def torch_with_cuda() -> Any:
    """PyTorch, where it is installed and has a CUDA device; else None."""
    try:
        torch = _torch()
    except ImportError:
        return None
    return torch if torch.cuda.is_available() else None


def has_fast_bf16() -> bool:
    """Whether PyTorch would choose bf16 on this processor."""
    from livedream.runtimes.pytorch import choose_precision

    torch = _torch()
    return bool(choose_precision(torch.device("cpu")) == torch.bfloat16)


def load_openvino() -> Any:
    """OpenVINO, kept from reporting its import. Raises ``ImportError`` where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _torch() -> Any:
    import torch

    return torch
