"""From a truncated network to one graph: image in, normalised gradient and strength out, no autograd.

The gradient is traced (``torch.func.vjp`` under ``make_fx``) at one image size. The result
is plain tensor operations, which any inference runtime can run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from livedream.compile.decompositions import decompositions
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec

#: Maps the inputs of a graph to its outputs.
Function = Callable[..., tuple[Tensor, Tensor]]


def input_names(spec: GraphSpec) -> tuple[str, ...]:
    """The inputs of the graph.

    ``image``: RGB float32 (1, 3, H, W) in [0, 1]. ``weights``: of the channels, (1, C, 1, 1), or ``guide``:
    features (C, 256). For unrolled steps also two scalars, neutral at 1: ``step_size`` in levels of 255 and
    ``residual_limit``, the largest change of the image as a fraction of its range.
    """
    second = "guide" if spec.guide else "weights"
    return ("image", second, "step_size", "residual_limit") if spec.steps else ("image", second)


def output_names(spec: GraphSpec) -> tuple[str, str]:
    """The outputs of the graph.

    ``gradient``: divided by its mean absolute value, of the image's shape; for unrolled steps ``dream``: the
    dreamt image. ``strength``: a scalar, the weighted norm of the activation (of the last step).
    """
    return ("dream", "strength") if spec.steps else ("gradient", "strength")


def trace(network: nn.Module, channels: int, spec: GraphSpec) -> GraphModule:
    """The gradient of ``network``, traced in the form that ``spec`` names.

    ``network`` maps RGB (1, 3, H, W) to an activation of ``channels`` channels, in full precision.
    """
    network = copy.deepcopy(network).half() if spec.half else network
    image = torch.rand(1, 3, spec.height, spec.width)
    second = torch.rand(channels, GUIDE_FEATURES) if spec.guide else torch.ones(1, channels, 1, 1)
    inputs = (image, second, torch.tensor(1.0), torch.tensor(1.0))[: len(input_names(spec))]
    # Autograd accumulates gradients in place, which ONNX cannot express.
    function = torch.func.functionalize(reference(network, spec), remove="mutations")
    traced = make_fx(function, decomposition_table=decompositions(spec.pool_gradient))(*inputs)
    assert isinstance(traced, GraphModule)
    return traced


def reference(network: nn.Module, spec: GraphSpec) -> Function:
    """What the graph of ``spec`` computes, as a function that autograd runs.

    Run it under :func:`livedream.networks.objective.pools`.
    """
    dtype = next((p.dtype for p in network.parameters()), torch.float32)

    def gradient(image: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        outputs: Any = torch.func.vjp(network, image.to(dtype))
        activation, pull_back = outputs[0].float(), outputs[1]
        seed = _best_match(activation, second) if spec.guide else second * activation
        strength = (seed * activation).sum().clamp_min(0.0).sqrt()
        if dtype != torch.float32:  # only the direction counts, and squared activations would overflow
            seed = seed / seed.abs().amax().clamp_min(1e-12)
        (pulled,) = pull_back(seed.to(dtype))
        pulled = pulled.float()
        return pulled / pulled.abs().mean().clamp_min(1e-12), strength

    def dream(image: Tensor, second: Tensor, step_size: Tensor, limit: Tensor) -> tuple[Tensor, Tensor]:
        x, strength = image, image.new_zeros(())
        for _ in range(spec.steps):
            direction, strength = gradient(x, second)
            x = (x + step_size / 255 * direction).clamp(0.0, 1.0)
        return image + _soft_limit(x - image, limit), strength

    return dream if spec.steps else gradient


def _best_match(activation: Tensor, features: Tensor) -> Tensor:
    """The guide's feature (of (C, M)) that matches each position of (1, C, h, w) best, in that shape."""
    x = activation.reshape(activation.shape[1], -1)
    best = (features.T @ x.detach()).argmax(0)
    return features.index_select(1, best).view(activation.shape)


def _soft_limit(residual: Tensor, limit: Tensor) -> Tensor:
    """Identity up to half of ``limit``, then compressed so as never to exceed it, as in the live dream."""
    knee = limit / 2
    size = residual.abs()
    inside = torch.minimum(size, knee)
    compressed = inside + knee * torch.tanh((size - inside) / knee)
    return torch.where(residual < 0, -compressed, compressed)
