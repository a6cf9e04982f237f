"""Gradients of convolutions and pools, in operations that every inference runtime has and runs fast.

Autograd's own backward operations have no counterpart in ONNX, and the obvious substitutes
(ConvTranspose, ScatterElements, MaxUnpool) are slow or missing in some runtime. So, during tracing:

* the gradient of a convolution is a convolution with the flipped, transposed kernel; with a stride, one
  convolution that computes all ``stride²`` phases as channels, and a depth-to-space;
* a max-pool is two pools of one dimension each, and its gradient goes to the first of the largest values in
  each window, as PyTorch's does, by comparison masks;
* the gradients of average and adaptive pools are convolutions and matrix products with constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from livedream.compile import pools as pools
from livedream.compile.convolutions import convolution_backward
from livedream.errors import BackendError

_aten = torch.ops.aten


def _silu_gradient(g: Tensor, x: Tensor) -> Tensor:
    sigmoid = torch.sigmoid(x)
    return g * sigmoid * (1 + x * (1 - sigmoid))


def _slice_gradient(g: Tensor, size: Sequence[int], axis: int, start: int, end: int, step: int) -> Tensor:
    """The gradient with respect to ``x`` of this size of ``x[start:end:step]`` along ``axis``."""
    if step != 1:
        raise BackendError("slices with a step cannot be exported")
    axis %= len(size)
    pads = [0, 0] * (len(size) - axis - 1) + [start, size[axis] - start - g.shape[axis]]
    return F.pad(g, pads)


def _variance_and_mean(
    x: Tensor, axes: Any = None, *, correction: float | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    axes = list(range(x.dim())) if axes is None else axes
    count = math.prod(x.shape[axis] for axis in axes)
    mean = x.mean(axes, keepdim=True)
    difference = x - mean
    variance = (difference * difference).sum(axes, keepdim=keepdim) / (
        count - (1 if correction is None else correction)
    )
    return variance, mean if keepdim else x.mean(axes)


def decompositions(pool_gradient: str = "exact") -> dict[Any, Callable[..., Any]]:
    """The decompositions for ``make_fx``.

    ``pool_gradient`` is ``exact`` (autograd's) or ``soft`` (each max-pool's gradient is that of an average).
    """
    # Imported here because it takes long, and only an export needs it.
    from torch._decomp import get_decompositions

    return {
        **get_decompositions(
            [
                _aten.native_layer_norm,
                _aten.native_layer_norm_backward,
                _aten.gelu,
                _aten.gelu_backward,
                _aten.silu,
                _aten.hardswish,
                _aten.hardswish_backward,
                _aten.hardsigmoid,
                _aten.hardsigmoid_backward,
                _aten.sigmoid_backward,
                _aten.tanh_backward,
                _aten.hardtanh,
                _aten.hardtanh_backward,
                _aten.leaky_relu,
                _aten.leaky_relu_backward,
                _aten.elu,
                _aten.elu_backward,
                _aten.addmm,
                _aten.mish,
                _aten.mish_backward,
                _aten.rsub,
                _aten.softplus,
                _aten.softplus_backward,
                _aten.native_batch_norm,
                _aten.split,
                _aten.select_backward,
                _aten.pixel_shuffle,
            ]
        ),
        _aten.convolution_backward.default: convolution_backward,
        _aten.max_pool2d_with_indices.default: pools.max_pool,
        _aten.max_pool2d_with_indices_backward.default: (
            pools.soft_pool_gradient if pool_gradient == "soft" else pools.max_pool_gradient
        ),
        _aten.avg_pool2d.default: pools.average_pool,
        _aten.avg_pool2d_backward.default: pools.average_pool_gradient,
        _aten.slice_backward.default: _slice_gradient,
        _aten.silu_backward.default: _silu_gradient,
        _aten.var_mean.correction: _variance_and_mean,
        _aten.avg_pool3d.default: pools.average_pool_3d,
        _aten.avg_pool3d_backward.default: pools.average_pool_3d_gradient,
        _aten._adaptive_avg_pool2d.default: pools.adaptive_pool,
        _aten._adaptive_avg_pool2d_backward.default: pools.adaptive_pool_gradient,
    }
