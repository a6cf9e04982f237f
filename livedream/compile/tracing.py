"""From a truncated network to one graph: image in, normalised gradient and strength out, no autograd.

The gradient is traced (``torch.func.vjp`` under ``make_fx``) with the image's height and width as symbols.
The result is plain tensor operations, which any inference runtime can run, at any size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.source import ConstantSource
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from livedream.compile.decompositions import decompositions
from livedream.errors import BackendError
from livedream.networks.graphs import GUIDE_FEATURES, GraphSpec

#: Maps the inputs of a graph to its outputs.
Function = Callable[..., tuple[Tensor, ...]]

# A trace is made with a picture of this size, of which no value exists: any would do.
_TRACED_HEIGHT, _TRACED_WIDTH = 419, 307


def input_names(spec: GraphSpec) -> tuple[str, ...]:
    """The inputs of the graph.

    ``image``: RGB float32 (1, 3, height, width) in [0, 1], of any size. ``weights``: of the channels,
    (1, C, 1, 1), or ``guide``: features (C, 256). For unrolled steps also two scalars, neutral at 1:
    ``step_size`` in levels of 255 and ``residual_limit``, the largest change of the image as a fraction of
    its range. ``features`` are computed of the image alone.
    """
    if spec.kind == "features":
        return ("image",)
    second = "guide" if spec.kind == "guide" else "weights"
    return ("image", second, "step_size", "residual_limit") if spec.steps else ("image", second)


def output_names(spec: GraphSpec) -> tuple[str, ...]:
    """The outputs of the graph.

    ``gradient``: divided by its mean absolute value, of the image's shape; for unrolled steps ``dream``: the
    dreamt image. ``strength``: a scalar, the weighted norm of the activation (of the last step).
    ``activity``: (C,), the mean of each channel's squared activation over all positions. Or ``features``:
    (C, h·w), the activation.
    """
    if spec.kind == "features":
        return ("features",)
    return ("dream" if spec.steps else "gradient", "strength", "activity")


def trace(network: nn.Module, channels: int, spec: GraphSpec) -> GraphModule:
    """The gradient of ``network``, traced in the form that ``spec`` names, for images of any size.

    ``network`` maps RGB (1, 3, H, W) to an activation of ``channels`` channels, in full precision.
    Raises ``BackendError`` when its operations would differ from one size to another.
    """
    network = copy.deepcopy(network).half() if spec.half else network
    second = (channels, GUIDE_FEATURES) if spec.kind == "guide" else (1, channels, 1, 1)
    shapes = [(1, 3, _TRACED_HEIGHT, _TRACED_WIDTH), second, (), ()][: len(input_names(spec))]
    environment = ShapeEnv(duck_shape=False)
    mode = FakeTensorMode(shape_env=environment, allow_non_fake_inputs=True)
    mode.cache_enabled = False  # with symbols it costs more than it saves: a third of a trace
    inputs = [_placeholder(mode, name, shape) for name, shape in zip(input_names(spec), shapes, strict=True)]
    # Autograd accumulates gradients in place, which ONNX cannot express.
    function = torch.func.functionalize(reference(network, spec), remove="mutations")
    traced = make_fx(
        function,
        decomposition_table=decompositions(spec.pool_gradient),
        tracing_mode="symbolic",
        _allow_non_fake_inputs=True,
    )(*inputs)
    assert isinstance(traced, GraphModule)
    if environment.replacements:
        raise BackendError(
            f"{spec.layer} of {spec.network} cannot be exported for every size: {environment.replacements}"
        )
    return traced


def _placeholder(mode: FakeTensorMode, name: str, shape: Sequence[int]) -> Tensor:
    """An input without values; an image's height and width are symbols, every other size is fixed."""
    kinds = [DimDynamic.STATIC] * len(shape)
    if name == "image":
        kinds[2:] = [DimDynamic.DYNAMIC] * 2
    context: Any = StatelessSymbolicContext(dynamic_sizes=kinds)
    return mode.from_tensor(torch.empty(shape), source=ConstantSource(name), symbolic_context=context)


def reference(network: nn.Module, spec: GraphSpec) -> Function:
    """What the graph of ``spec`` computes, as a function that autograd runs.

    Run it under :func:`livedream.networks.autograd.pools`.
    """
    dtype = next((p.dtype for p in network.parameters()), torch.float32)

    def features(image: Tensor) -> tuple[Tensor]:
        activation = network(image.to(dtype)).float()
        return (activation.reshape(activation.shape[1], -1),)

    def gradient(image: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs: Any = torch.func.vjp(network, image.to(dtype))
        activation, pull_back = outputs[0].float(), outputs[1]
        seed = _best_match(activation, second) if spec.kind == "guide" else second * activation
        strength = (seed * activation).sum().clamp_min(0.0).sqrt()
        activity = (activation * activation).mean((0, 2, 3))
        if dtype != torch.float32:  # only the direction counts, and squared activations would overflow
            seed = seed / seed.abs().amax().clamp_min(1e-12)
        (pulled,) = pull_back(seed.to(dtype))
        pulled = pulled.float()
        return pulled / pulled.abs().mean().clamp_min(1e-12), strength, activity

    def dream(
        image: Tensor, second: Tensor, step_size: Tensor, limit: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = image
        for _ in range(spec.steps):
            direction, strength, activity = gradient(x, second)
            x = (x + step_size / 255 * direction).clamp(0.0, 1.0)
        return image + _soft_limit(x - image, limit), strength, activity

    if spec.kind == "features":
        return features
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
