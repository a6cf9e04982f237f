"""Gradients of convolutions and pools in operations that every inference runtime has, and runs fast.

Autograd's own backward operations have no counterpart in ONNX, and the obvious ones are slow or missing
somewhere (ConvTranspose, ScatterElements, MaxUnpool). So, while a gradient is traced:

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

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Decompositions = dict[Any, Callable[..., Any]]
_aten = torch.ops.aten


@torch.library.custom_op("livedream::depth_to_space", mutates_args=())
def depth_to_space(x: Tensor, rows: int, columns: int) -> Tensor:
    """(B, rows·columns·C, h, w), phases outermost, to (B, C, rows·h, columns·w)."""
    b, c, h, w = x.shape
    c //= rows * columns
    x = x.view(b, rows, columns, c, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(b, c, rows * h, columns * w).clone()


def _pair(value: Sequence[int]) -> tuple[int, int]:
    values = list(value)
    return (values[0], values[-1])


# --- convolutions


def _conv_input_gradient(
    g: Tensor, weight: Tensor, size: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """The gradient with respect to a convolution's input (B, C, H, W) = ``size``, from its output's ``g``."""
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    outputs, per_group, *kernel = weight.shape
    # (O, I/G, kh, kw) -> (I, O/G, kh, kw): from outputs to inputs.
    turned = weight.view(groups, outputs // groups, per_group, *kernel).transpose(1, 2)
    turned = turned.reshape(groups * per_group, outputs // groups, *kernel)
    if dilation != (1, 1) and stride != (1, 1):
        turned, dilation = _with_gaps(turned, dilation), (1, 1)
        kernel = list(turned.shape[2:])
    if stride == (1, 1):
        before = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True)]
        after = [
            n - o + d * (k - 1) - b
            for n, o, d, k, b in zip(size[2:], g.shape[2:], dilation, kernel, before, strict=True)
        ]
        return F.conv2d(_padded(g, before, after), turned.flip(2, 3), dilation=dilation, groups=groups)
    taps = [-(-k // s) for k, s in zip(kernel, stride, strict=True)]
    full = F.pad(turned, (0, taps[1] * stride[1] - kernel[1], 0, taps[0] * stride[0] - kernel[0]))
    # Row r + s·t of the kernel belongs to phase r, tap t.
    full = full.view(*turned.shape[:2], taps[0], stride[0], taps[1], stride[1]).flip(2, 4)
    inputs = turned.shape[0]
    phases = full.permute(3, 5, 0, 1, 2, 4).reshape(stride[0] * stride[1], inputs, *full.shape[1:2], *taps)
    if groups == 1:
        kernels = phases.reshape(-1, *phases.shape[2:])
    else:  # grouped convolutions want the outputs of a group beside each other: phases within each input
        kernels = phases.transpose(0, 1).reshape(-1, *phases.shape[2:])
    count = [(n - 1 + p) // s + 1 for n, p, s in zip(size[2:], padding, stride, strict=True)]
    before = [t - 1 for t in taps]
    after = [c - o for c, o in zip(count, g.shape[2:], strict=True)]
    out = F.conv2d(_padded(g, before, after), kernels, groups=groups)
    if groups > 1:
        b, _, h, w = out.shape
        out = out.view(b, inputs, -1, h, w).transpose(1, 2).reshape(b, -1, h, w)
    out = depth_to_space(out, stride[0], stride[1])
    return out[:, :, padding[0] : padding[0] + size[2], padding[1] : padding[1] + size[3]]


def _with_gaps(kernel: Tensor, dilation: tuple[int, int]) -> Tensor:
    """The kernel (I, O, kh, kw) of a dilated convolution as one without dilation, with zeros between."""
    i, o, kh, kw = kernel.shape
    rows, columns = dilation
    wide = F.pad(kernel.view(i, o, kh, 1, kw, 1), (0, columns - 1, 0, 0, 0, rows - 1))
    wide = wide.view(i, o, kh * rows, kw * columns)
    return wide[:, :, : (kh - 1) * rows + 1, : (kw - 1) * columns + 1]


def _padded(x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """``x`` padded, or cropped where the padding is negative, by (rows, columns) before and after."""
    if not any((*before, *after)):
        return x
    grow = [max(0, n) for n in (before[1], after[1], before[0], after[0])]
    if any(grow):
        x = F.pad(x, grow, value=value)
    top, left = (max(0, -n) for n in before)
    bottom, right = (max(0, -n) for n in after)
    if top or left or bottom or right:
        x = x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
    return x


def _convolution_backward(
    g: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    mask: Sequence[bool],
) -> tuple[Tensor | None, None, None]:
    if transposed or any(mask[1:]):
        return NotImplemented
    return _conv_input_gradient(g, weight, x.shape, stride, padding, dilation, groups), None, None


# --- max-pools


def _span(n: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """How many windows PyTorch lays over ``n`` values."""
    room = n + 2 * padding - kernel
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= n + padding else count


def _lowest(x: Tensor) -> float:
    return -65000.0 if x.dtype == torch.float16 else -3e38


def _window_padded(x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int) -> Tensor:
    """``x`` with so much of the lowest value around it along ``dim`` that ``windows`` fit exactly."""
    after = (windows - 1) * stride + kernel - padding - x.shape[dim]
    before = [padding, 0] if dim == 2 else [0, padding]
    behind = [after, 0] if dim == 2 else [0, after]
    return _padded(x, before, behind, _lowest(x))


def _pool_along(x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int) -> Tensor:
    x = _window_padded(x, dim, kernel, stride, padding, windows)
    sizes = ([kernel, 1], [stride, 1]) if dim == 2 else ([1, kernel], [1, stride])
    return _pool_1d(x, *sizes)


@torch.library.custom_op("livedream::pool_1d", mutates_args=())
def _pool_1d(x: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    """A max-pool without padding; a name of its own keeps it from being taken apart again."""
    return F.max_pool2d(x, kernel, stride)


def _pool_along_gradient(
    g: Tensor, x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int
) -> Tensor:
    """Gradient of :func:`_pool_along`: each window's goes to the first of its largest values.

    Values are compared with each other, not with the pool's output: a runtime that computes in another
    precision than it stores would find no equal ones.
    """
    wide = _window_padded(x, dim, kernel, stride, padding, windows)
    values = [_strided(wide, dim, offset, stride, windows) for offset in range(kernel)]
    largest, larger = values[0], []
    for value in values[1:]:
        larger.append(value > largest)
        largest = torch.maximum(largest, value)
    parts, rest = [], g
    for later in reversed(larger):
        parts.append(torch.where(later, rest, 0.0))
        rest = torch.where(later, 0.0, rest)
    parts.append(rest)
    whole = _interleaved(parts[::-1], dim, stride)
    before, after = [0, 0], [0, 0]
    before[dim - 2] = -padding
    after[dim - 2] = x.shape[dim] + padding - whole.shape[dim]
    return _padded(whole, before, after)


def _strided(x: Tensor, dim: int, start: int, stride: int, count: int) -> Tensor:
    end = start + (count - 1) * stride + 1
    return x[:, :, start:end:stride] if dim == 2 else x[:, :, :, start:end:stride]


def _interleaved(parts: list[Tensor], dim: int, stride: int) -> Tensor:
    """Sum of ``parts``, part ``i`` moved to the positions ``i, i + stride, i + 2·stride, …`` along ``dim``."""
    taps = -(-len(parts) // stride)
    phases: list[Tensor] = []
    for phase in range(stride):
        total = None
        for shift, part in enumerate(parts[phase::stride]):
            before, after = [0, 0], [0, 0]
            before[dim - 2], after[dim - 2] = shift, taps - 1 - shift
            moved = _padded(part, before, after)
            total = moved if total is None else total + moved
        phases.append(torch.zeros_like(phases[0]) if total is None else total)
    if stride == 1:
        return phases[0]
    return depth_to_space(torch.cat(phases, 1), stride if dim == 2 else 1, stride if dim == 3 else 1)


def _pool_options(
    x: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool
) -> list[tuple[int, int, int, int]]:
    kernel, stride, padding = _pair(kernel), _pair(stride or kernel), _pair(padding)
    return [
        (k, s, p, _span(n, k, s, p, ceil_mode))
        for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True)
    ]


def _max_pool(
    x: Tensor,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    dilation: Any = (1,),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    if _pair(dilation) != (1, 1):
        return NotImplemented
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    out = _pool_along(_pool_along(x, 3, *columns), 2, *rows)
    return out, out  # nobody reads the indices: the gradient below finds the places anew


def _max_pool_gradient(
    g: Tensor,
    x: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    g = _pool_along_gradient(g, _pool_along(x, 3, *columns), 2, *rows)
    return _pool_along_gradient(g, x, 3, *columns)


def _soft_pool_gradient(
    g: Tensor,
    x: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """The gradient of an average over each window in place of the largest value's: softer, larger forms."""
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    return _average_gradient(g / (rows[0] * columns[0]), x.shape, rows, columns)


# --- average pools


def _average_gradient(
    g: Tensor, size: Sequence[int], rows: tuple[int, int, int, int], columns: tuple[int, int, int, int]
) -> Tensor:
    channels = size[1]
    ones = torch.ones(channels, 1, rows[0], columns[0], dtype=g.dtype)
    (kh, sh, ph, _), (kw, sw, pw, _) = rows, columns
    # Windows may reach past the picture (ceil mode): as far as that, it is padded.
    reach = [
        (o - 1) * s + k - p for o, s, k, p in zip(g.shape[2:], (sh, sw), (kh, kw), (ph, pw), strict=True)
    ]
    wide = [max(n, r) for n, r in zip(size[2:], reach, strict=True)]
    out = _conv_input_gradient(g, ones, (*size[:2], *wide), (sh, sw), (ph, pw), (1, 1), channels)
    return out[:, :, : size[2], : size[3]]


def _average_counts(
    size: Sequence[int],
    rows: tuple[int, int, int, int],
    columns: tuple[int, int, int, int],
    include_padding: bool,
    divisor: int | None,
) -> Tensor:
    """How many values each window's sum is divided by: (1, 1, rows, columns), a constant."""
    if divisor:
        return torch.full((1, 1, 1, 1), float(divisor))
    counts = []
    for n, (kernel, stride, padding, windows) in zip(size[2:], (rows, columns), strict=True):
        start = np.arange(windows) * stride - padding
        low, high = (-padding, n + padding) if include_padding else (0, n)
        counts.append(np.minimum(start + kernel, high) - np.maximum(start, low))
    return torch.from_numpy(np.outer(*counts).astype(np.float32)[None, None])


def _average_pool(
    x: Tensor,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    ceil_mode: bool = False,
    include_padding: bool = True,
    divisor: int | None = None,
) -> Tensor:
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    channels = x.shape[1]
    ones = torch.ones(channels, 1, rows[0], columns[0], dtype=x.dtype)
    after = [(o - 1) * s + k - p - n for n, (k, s, p, o) in zip(x.shape[2:], (rows, columns), strict=True)]
    wide = _padded(x, [rows[2], columns[2]], after)
    sums = F.conv2d(wide, ones, stride=(rows[1], columns[1]), groups=channels)
    return sums / _average_counts(x.shape, rows, columns, include_padding, divisor).to(x.dtype)


def _average_pool_gradient(
    g: Tensor,
    x: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    include_padding: bool,
    divisor: int | None,
) -> Tensor:
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    counts = _average_counts(x.shape, rows, columns, include_padding, divisor).to(g.dtype)
    return _average_gradient(g / counts, x.shape, rows, columns)


def _bins(n: int, bins: int, dtype: torch.dtype) -> Tensor:
    """(bins, n): the averages of an adaptive pool along one axis as a matrix."""
    matrix = np.zeros((bins, n), np.float32)
    for i in range(bins):
        start, end = i * n // bins, -(-(i + 1) * n // bins)
        matrix[i, start:end] = 1.0 / (end - start)
    return torch.from_numpy(matrix).to(dtype)


def _between(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``rows · x · columnsᵀ`` for each channel of ``x`` (B, C, H, W)."""
    b, c, h, w = x.shape
    x = (x.reshape(b * c * h, w) @ columns.T).view(b, c, h, columns.shape[0]).transpose(2, 3)
    x = x.reshape(b * c * columns.shape[0], h) @ rows.T
    return x.view(b, c, columns.shape[0], rows.shape[0]).transpose(2, 3)


def _adaptive_pool(x: Tensor, size: Any) -> Tensor:
    rows, columns = _pair(size)
    if rows == columns == 1:
        return x.mean((2, 3), keepdim=True)
    return _between(x, _bins(x.shape[2], rows, x.dtype), _bins(x.shape[3], columns, x.dtype))


def _adaptive_pool_gradient(g: Tensor, x: Tensor) -> Tensor:
    rows, columns = g.shape[2:]
    if rows == columns == 1:
        return (g / (x.shape[2] * x.shape[3])).expand(x.shape)
    return _between(g, _bins(x.shape[2], rows, g.dtype).T, _bins(x.shape[3], columns, g.dtype).T)


# --- the rest


def _silu_gradient(g: Tensor, x: Tensor) -> Tensor:
    share = torch.sigmoid(x)
    return g * share * (1 + x * (1 - share))


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


# Local response normalisation, which PyTorch computes by an average pool across the channels.


def _average_pool_3d(x: Tensor, kernel: Any, stride: Any = (), *rest: Any) -> Tensor:
    if list(kernel[1:]) != [1, 1] or any(s != 1 for s in stride) or (rest and any(rest[0])):
        return NotImplemented
    windows = x.shape[-3] - kernel[0] + 1
    return sum(x.narrow(-3, i, windows) for i in range(kernel[0])) / kernel[0]


def _average_pool_3d_gradient(g: Tensor, x: Tensor, kernel: Any, *rest: Any) -> Tensor:
    n = kernel[0]
    return sum(F.pad(g, (0, 0, 0, 0, i, n - 1 - i)) for i in range(n)) / n


def decompositions(pool_gradient: str = "exact") -> Decompositions:
    """What ``make_fx`` is to take apart, and how.

    ``pool_gradient`` is ``exact`` (autograd's) or ``soft`` (each max-pool's gradient is that of an average).
    """
    # Loaded here: this table is long and only an export needs it.
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
                _aten.slice_backward,
                _aten.pixel_shuffle,
            ]
        ),
        _aten.convolution_backward.default: _convolution_backward,
        _aten.max_pool2d_with_indices.default: _max_pool,
        _aten.max_pool2d_with_indices_backward.default: (
            _soft_pool_gradient if pool_gradient == "soft" else _max_pool_gradient
        ),
        _aten.avg_pool2d.default: _average_pool,
        _aten.avg_pool2d_backward.default: _average_pool_gradient,
        _aten.silu_backward.default: _silu_gradient,
        _aten.var_mean.correction: _variance_and_mean,
        _aten.avg_pool3d.default: _average_pool_3d,
        _aten.avg_pool3d_backward.default: _average_pool_3d_gradient,
        _aten._adaptive_avg_pool2d.default: _adaptive_pool,
        _aten._adaptive_avg_pool2d_backward.default: _adaptive_pool_gradient,
    }
