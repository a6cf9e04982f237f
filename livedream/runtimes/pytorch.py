"""The reference backend: truncated networks, run by PyTorch's autograd on CUDA, Apple's MPS or the CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from livedream.errors import DeviceLostError, OutOfMemoryError
from livedream.frame import Array
from livedream.networks.autograd import guide_value, pools, value, weighted_value
from livedream.networks.load import Trunk, load_network
from livedream.networks.objective import Guide, HeldWeights, Objective
from livedream.runtimes.base import Step
from livedream.runtimes.cuda_graphs import CudaGraphs
from livedream.runtimes.device_errors import free_memory, is_out_of_memory, reason_of
from livedream.runtimes.on_device import DeviceGradient


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


def load_torch_backend(network: str, weights: Path | None, device: str, threads: int) -> TorchBackend:
    """The network on a device of PyTorch, which from now on computes on ``threads`` threads on a CPU.

    Raises ``UsageError`` for an unknown network, ``NetworkError`` for unusable weights.
    """
    torch.set_num_threads(threads)
    return TorchBackend(load_network(network, weights), torch.device(device))


class TorchBackend:
    """One network on one device.

    ``gradient_tensors`` never synchronises with the device; the image state stays fp32 whatever the
    network's precision is.
    """

    def __init__(
        self,
        trunk: Trunk,
        device: torch.device,
        precision: torch.dtype | None = None,
        *,
        cuda_graphs: bool = True,
        graphs: CudaGraphs | None = None,
    ) -> None:
        self.device = device
        self.precision = choose_precision(self.device) if precision is None else precision
        self._trunk = trunk
        self._truncated: dict[str, nn.Module] = {}
        self._guide: tuple[Guide, Tensor] | None = None
        self._weights, self._weights_tensor = HeldWeights(), (np.empty(0, np.float32), torch.empty(0))
        # Several dreams may share this: what is kept of the last one is then another's.
        self._lock = threading.RLock()
        if graphs is None and cuda_graphs and self.device.type == "cuda":
            graphs = CudaGraphs()
        self._graphs = graphs

    message, comparing = "", False

    def close(self) -> None:
        """There is no background work."""

    def make_room(self) -> None:
        """See :class:`livedream.runtimes.base.Backend`."""
        free_memory(self.device)

    def drop(self, reason: str) -> bool:
        """Nothing takes over from PyTorch."""
        return False

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """Always: PyTorch needs no preparation."""
        return True

    def opening(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """Never: PyTorch needs no preparation."""
        return False

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """PyTorch needs no preparation."""

    @property
    def name(self) -> str:
        """What the HUD shows: ``PyTorch cpu bf16``."""
        short = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
        graph = " graph" if self._graphs is not None and self._graphs.working else ""
        return f"PyTorch {self.device.type} {short[self.precision]}{graph}"

    def gradient(self, image: Array, layer: str, objective: Objective) -> Step:
        """See :class:`livedream.runtimes.base.Backend`.

        Raises ``DeviceLostError`` when a graphics card fails: nothing takes over in this process.
        """
        with self._or_lost(), self._lock:
            gradient, strength, activity = self.gradient_tensors(self._tensor(image), layer, objective)
            array = np.ascontiguousarray(gradient[0].permute(1, 2, 0).cpu().numpy())
            return Step(array, float(strength), activity.cpu().numpy())

    @property
    def device_name(self) -> str:
        """See :class:`livedream.runtimes.on_device.OnDevice`."""
        return str(self.device)

    def on_device(self, layer: str, size: tuple[int, int], objective: Objective) -> DeviceGradient:
        """See :class:`livedream.runtimes.on_device.OnDevice`."""
        with self._lock:
            second = self._second(objective)
        channels = objective.channels if second is None else ()
        key = self, layer, channels, objective.linear, objective.pool_gradient
        return DeviceGradient(
            key, lambda image, given: self._eager(image, layer, objective, given)[0], second
        )

    def features(self, image: Array, layer: str) -> Array:
        """See :class:`livedream.runtimes.base.Backend`; raises as :meth:`gradient` does."""
        with torch.no_grad(), self._or_lost():
            activation: Tensor = self._network(layer)(self._input(self._tensor(image)))
            return np.ascontiguousarray(activation.float().flatten(2)[0].cpu().numpy())

    @contextmanager
    def _or_lost(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if self.device.type == "cpu":
                raise
            if is_out_of_memory(error):
                free_memory(self.device)
                raise OutOfMemoryError(f"{self.device}: {reason_of(error)}") from error
            raise DeviceLostError(f"{self.device} failed: {reason_of(error)}") from error

    def gradient_tensors(
        self, image: Tensor, layer: str, objective: Objective
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The direction in which ``image`` raises ``objective`` of the layer's activation, the activation's
        strength, and each channel's activity, on :attr:`device`.

        ``image`` is RGB float32 (1, 3, H, W) in [0, 1]; the direction is fp32 of the same shape, divided by
        its mean absolute value (google/deepdream, ``make_step``); zero where the activation is dead.
        """
        second = self._second(objective)
        if self._graphs is None:
            return self._eager(image, layer, objective, second)
        key: tuple[object, ...] = (layer, tuple(image.shape), objective.pool_gradient)
        if objective.guide is None and second is not None:  # weights are an input, new ones a copy
            gradient, strength, activity = self._graphs(
                (*key, "words" if objective.linear else "weights"),
                image,
                lambda x, given: self._eager(x, layer, objective, given),
                second,
            )
            return gradient, strength, activity
        # The guide's features themselves, not their id: the CUDA graph goes on reading them.
        gradient, strength, activity = self._graphs(
            (*key, objective.channels, objective.guide, second),
            image,
            lambda x: self._eager(x, layer, objective, second),
        )
        return gradient, strength, activity

    def _eager(
        self, image: Tensor, layer: str, objective: Objective, second: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = self._input(image).requires_grad_(True)
        with torch.enable_grad(), pools(objective.pool_gradient):
            activation = self._network(layer)(x)
            if second is None:
                raised = value(objective, activation)
            elif objective.guide is not None:
                raised = guide_value(activation, second)
            else:
                raised = weighted_value(objective, activation, second)
            (gradient,) = torch.autograd.grad(raised, x)
        gradient = gradient.float()
        found = raised.detach().clamp_min(0.0)
        strength = (found if objective.guide is not None or objective.linear else 2 * found).sqrt()
        activity = activation.detach().float().square().mean((0, 2, 3))
        return gradient / gradient.abs().mean().clamp_min(1e-12), strength, activity

    def _second(self, objective: Objective) -> Tensor | None:
        """What the gradient takes beside the image, on the device: a guide's features, or the weights that
        words or an emphasis make. Those of the last guide and the last weights are kept."""
        if objective.guide is not None:
            return self._features_of(objective.guide)
        given = objective.emphasis if objective.words is None else objective.words
        if given is None:
            return None
        weights = self._weights(objective, len(given))
        if self._weights_tensor[0] is not weights:
            self._weights_tensor = weights, torch.from_numpy(weights).to(self.device)
        return self._weights_tensor[1]

    def _features_of(self, guide: Guide) -> Tensor:
        """The guide's features on the device, in the network's precision."""
        if self._guide is None or self._guide[0] is not guide:
            self._guide = guide, torch.from_numpy(guide.features).to(self.device, self.precision)
        return self._guide[1]

    def _tensor(self, image: Array) -> Tensor:
        """(h, w, 3) float32 as (1, 3, h, w) on the device, without a copy on a CPU."""
        return torch.from_numpy(np.ascontiguousarray(image)).to(self.device).permute(2, 0, 1)[None]

    def _input(self, image: Tensor) -> Tensor:
        return image.detach().to(self.precision, memory_format=torch.channels_last)

    def _network(self, layer: str) -> nn.Module:
        if layer not in self._truncated:
            network = self._trunk.truncate(layer).to(self.device, self.precision)
            self._truncated[layer] = network.to(memory_format=torch.channels_last)
        return self._truncated[layer]
