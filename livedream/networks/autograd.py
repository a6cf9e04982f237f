"""Objectives in PyTorch: their value, which autograd differentiates, and soft gradients of max-pools."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d
from torch.overrides import TorchFunctionMode

from livedream.networks.objective import Objective


def value(objective: Objective, activation: Tensor) -> Tensor:
    """The scalar that the dream raises, for an activation (1, C, h, w) of a layer."""
    if objective.guide is not None:
        features = torch.from_numpy(objective.guide.features).to(activation.device, activation.dtype)
        return guide_value(activation, features)
    if objective.emphasis is not None or objective.words is not None:
        weights = torch.from_numpy(objective.weights(activation.shape[1]))
        return weighted_value(objective, activation, weights.to(activation.device))
    if objective.channels:
        count = activation.shape[1]
        activation = activation[:, [channel % count for channel in objective.channels]]
    return 0.5 * activation.float().square().sum()


def weighted_value(objective: Objective, activation: Tensor, weights: Tensor) -> Tensor:
    """Half the squared norm of an activation (1, C, h, w), its channels weighted by (1, C, 1, 1); for words
    the weighted sum."""
    if objective.linear:
        return (weights * activation.float()).sum()
    return 0.5 * (weights * activation.float().square()).sum()


def guide_value(activation: Tensor, features: Tensor) -> Tensor:
    """The product of an activation (1, C, h, w) and, at each position, its best of ``features`` (C, M)."""
    x = activation.flatten(2)[0]  # (C, h·w)
    best = (x.detach().T @ features).argmax(1)
    return (x.float() * features[:, best].float()).sum()


class SoftPools(TorchFunctionMode):
    """While it is active, max-pools pass gradients on as averages over their windows would."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = function(*args, **(kwargs or {}))
        if function not in (max_pool2d, torch.max_pool2d):
            return out
        names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = dict(zip(names, args, strict=False)) | (kwargs or {})
        kernel, stride = given["kernel_size"], given.get("stride")
        count = kernel * kernel if isinstance(kernel, int) else kernel[0] * kernel[-1]
        padding, ceil_mode = given.get("padding", 0), given.get("ceil_mode", False)
        average = avg_pool2d(
            given["input"], kernel, stride or kernel, padding, ceil_mode, divisor_override=count
        )
        return average + (out - average).detach()


def pools(kind: str) -> AbstractContextManager[Any]:
    """A context in which the gradient of max-pools is of this kind: ``exact`` or ``soft``."""
    return SoftPools() if kind == "soft" else nullcontext()
