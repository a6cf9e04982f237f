"""The reference backend: truncated networks, run by PyTorch's autograd on CUDA, Apple's MPS or the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from livedream.errors import BackendError
from livedream.networks.load import Trunk
from livedream.networks.objective import Objective, pools
from livedream.runtimes.cuda_graphs import CudaGraphs


def choose_device(wanted: str = "auto") -> torch.device:
    """The fastest device, or the one asked for: ``auto``, ``cuda``, ``cuda:1``, ``mps``, ``cpu``.

    Raises ``BackendError`` when this machine does not have it.
    """
    possible = ["cpu"]
    if torch.backends.mps.is_available():
        possible.insert(0, "mps")
    if torch.cuda.is_available():
        possible = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count())), *possible]
    if wanted == "auto":
        return torch.device(possible[0])
    if wanted not in possible:
        raise BackendError(f"device {wanted!r} is not on this machine; possible: auto, {', '.join(possible)}")
    return torch.device(wanted)


def choose_precision(device: torch.device) -> torch.dtype:
    """Half precision where the hardware has units for it, else fp32.

    On a CPU without bf16 units, bf16 is emulated and slower than fp32.
    """
    if device.type == "cuda":
        return torch.float16 if torch.cuda.get_device_capability(device) < (8, 0) else torch.bfloat16
    if device.type == "mps":
        return torch.float32
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    bf16 = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return torch.bfloat16 if bf16 else torch.float32


class TorchBackend:
    """One network on one device.

    ``gradient`` never synchronises with the device; the image state stays fp32 whatever the network's
    precision is.
    """

    def __init__(
        self,
        trunk: Trunk,
        device: torch.device | None = None,
        precision: torch.dtype | None = None,
        *,
        cuda_graphs: bool = True,
        graphs: CudaGraphs | None = None,
    ) -> None:
        self.device = choose_device() if device is None else device
        self.precision = choose_precision(self.device) if precision is None else precision
        self._trunk = trunk
        self._truncated: dict[str, nn.Module] = {}
        if graphs is None and cuda_graphs and self.device.type == "cuda":
            graphs = CudaGraphs()
        self._graphs = graphs

    message = ""

    def close(self) -> None:
        """There is no background work."""

    def drop(self, reason: str) -> bool:
        """Nothing takes over from PyTorch."""
        return False

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """Always: PyTorch needs no preparation."""
        return True

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """PyTorch needs no preparation."""

    @property
    def name(self) -> str:
        """What the HUD shows: ``PyTorch cpu bf16``."""
        short = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        graph = " graph" if self._graphs is not None and self._graphs.working else ""
        return f"PyTorch {self.device.type} {short[self.precision]}{graph}"

    def gradient(self, image: Tensor, layer: str, objective: Objective) -> Tensor:
        """The direction in which ``image`` raises ``objective`` of the layer's activation.

        ``image`` is RGB float32 (1, 3, H, W) in [0, 1]; the result is fp32 of the same shape, divided by its
        mean absolute value (google/deepdream, ``make_step``); zero where the activation is dead.
        """
        if self._graphs is None:
            return self._eager(image, layer, objective)
        # The guide itself, not its id: the CUDA graph reads its features as long as it is kept.
        key = layer, tuple(image.shape), objective.channels, objective.pool_gradient, objective.guide
        return self._graphs(key, image, lambda x: self._eager(x, layer, objective))

    def _eager(self, image: Tensor, layer: str, objective: Objective) -> Tensor:
        x = self._input(image).requires_grad_(True)
        with torch.enable_grad(), pools(objective.pool_gradient):
            value = objective.value(self._network(layer)(x))
            (gradient,) = torch.autograd.grad(value, x)
        gradient = gradient.float()
        return gradient / gradient.abs().mean().clamp_min(1e-12)

    def activation(self, image: Tensor, layer: str) -> Tensor:
        """The layer's activation for ``image``: fp32 (1, C, h, w)."""
        with torch.no_grad():
            activation: Tensor = self._network(layer)(self._input(image))
        return activation.float()

    def _input(self, image: Tensor) -> Tensor:
        return image.detach().to(self.precision, memory_format=torch.channels_last)

    def _network(self, layer: str) -> nn.Module:
        if layer not in self._truncated:
            network = self._trunk.truncate(layer).to(self.device, self.precision)
            self._truncated[layer] = network.to(memory_format=torch.channels_last)
        return self._truncated[layer]
