"""Pools and their gradients, by comparisons and convolutions: see ``decompositions``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from livedream.compile.convolutions import convolution_input_gradient, depth_to_space, padded, pair
from livedream.errors import BackendError

# --- max-pools


def _span(n: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """How many windows PyTorch's pools have over ``n`` values."""
    room = n + 2 * padding - kernel
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= n + padding else count


def _lowest(x: Tensor) -> float:
    return -65000.0 if x.dtype == torch.float16 else -3e38


def _window_padded(x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int) -> Tensor:
    """``x`` padded along ``dim`` with the lowest value, so that ``windows`` fit exactly."""
    after = (windows - 1) * stride + kernel - padding - x.shape[dim]
    before = [padding, 0] if dim == 2 else [0, padding]
    behind = [after, 0] if dim == 2 else [0, after]
    return padded(x, before, behind, _lowest(x))


def _pool_along(x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int) -> Tensor:
    x = _window_padded(x, dim, kernel, stride, padding, windows)
    sizes = ([kernel, 1], [stride, 1]) if dim == 2 else ([1, kernel], [1, stride])
    out: Tensor = _pool_1d(x, *sizes)
    return out


@torch.library.custom_op("livedream::pool_1d", mutates_args=())
def _pool_1d(x: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    """A max-pool without padding; its own name keeps it from being decomposed again."""
    return F.max_pool2d(x, kernel, stride)


def _gradient_phases(
    g: Tensor, x: Tensor, dim: int, kernel: int, stride: int, padding: int, windows: int
) -> list[Tensor]:
    """Gradient of :func:`_pool_along`: each window's goes to the first of its largest values.

    Of the padded ``x``, phase ``i`` of the result holds what belongs to ``i``, ``i + stride``, … there.
    Values are compared with each other, not with the pool's output: a runtime that computes in another
    precision than it stores would find none equal.
    """
    wide = _window_padded(x, dim, kernel, stride, padding, windows)
    values = [_strided(wide, dim, offset, stride, windows) for offset in range(kernel)]
    largest, larger = values[0], []
    for value in values[1:]:
        larger.append(value > largest)
        largest = torch.maximum(largest, value)
    parts, remaining = [], g
    for later in reversed(larger):
        parts.append(torch.where(later, remaining, 0.0))
        remaining = torch.where(later, 0.0, remaining)
    parts = [*parts, remaining][::-1]
    taps = -(-kernel // stride)
    phases: list[Tensor] = []
    for phase in range(stride):
        moved = []
        for shift, part in enumerate(parts[phase::stride]):
            before, after = [0, 0], [0, 0]
            before[dim - 2], after[dim - 2] = shift, taps - 1 - shift
            moved.append(padded(part, before, after))
        phases.append(_total(moved) if moved else torch.zeros_like(phases[0]))
    return phases


def _strided(x: Tensor, dim: int, start: int, stride: int, count: int) -> Tensor:
    end = start + (count - 1) * stride + 1
    return x[:, :, start:end:stride] if dim == 2 else x[:, :, :, start:end:stride]


def _total(parts: list[Tensor]) -> Tensor:
    """The sum of tensors of one shape."""
    return functools.reduce(torch.add, parts)


def _pool_options(
    x: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool
) -> list[tuple[int, int, int, int]]:
    kernel, stride, padding = pair(kernel), pair(stride or kernel), pair(padding)
    return [
        (k, s, p, _span(n, k, s, p, ceil_mode))
        for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True)
    ]


def max_pool(
    x: Tensor,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    dilation: Any = (1,),
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    if pair(dilation) != (1, 1):
        raise BackendError("dilated pools cannot be exported")
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    out = _pool_along(_pool_along(x, 3, *columns), 2, *rows)
    return out, out  # the indices are never used: the gradient below finds the maxima again


def max_pool_gradient(
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
    (_, stride_y, padding_y, _), (_, stride_x, padding_x, _) = rows, columns
    by_row = _gradient_phases(g, _pool_along(x, 3, *columns), 2, *rows)
    count = by_row[0].shape[2]
    wide = padded(x, [padding_y, 0], [count * stride_y - padding_y - x.shape[2], 0], _lowest(x))
    phases: list[Tensor] = []
    for phase, part in enumerate(by_row):
        phases += _gradient_phases(part, _strided(wide, 2, phase, stride_y, count), 3, *columns)
    combined = phases[0]
    if len(phases) > 1:
        combined = depth_to_space(torch.cat(phases, 1), stride_y, stride_x)
    after = [
        n + p - m for n, p, m in zip(x.shape[2:], (padding_y, padding_x), combined.shape[2:], strict=True)
    ]
    return padded(combined, [-padding_y, -padding_x], after)


def soft_pool_gradient(
    g: Tensor,
    x: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    indices: Tensor,
) -> Tensor:
    """The gradient of each window's average instead of its largest value's, for softer, larger forms."""
    rows, columns = _pool_options(x, kernel, stride, padding, ceil_mode)
    return _average_gradient(g / (rows[0] * columns[0]), x.shape, rows, columns)


# --- average pools


def _average_gradient(
    g: Tensor, size: Sequence[int], rows: tuple[int, int, int, int], columns: tuple[int, int, int, int]
) -> Tensor:
    channels = size[1]
    ones = torch.ones(channels, 1, rows[0], columns[0], dtype=g.dtype)
    (kh, sh, ph, _), (kw, sw, pw, _) = rows, columns
    # Windows may reach past the input (ceil mode), which is padded that far.
    reach = [
        (o - 1) * s + k - p for o, s, k, p in zip(g.shape[2:], (sh, sw), (kh, kw), (ph, pw), strict=True)
    ]
    wide = [max(n, r) for n, r in zip(size[2:], reach, strict=True)]
    out = convolution_input_gradient(g, ones, (*size[:2], *wide), (sh, sw), (ph, pw), (1, 1), channels)
    return out[:, :, : size[2], : size[3]]


def _average_counts(
    size: Sequence[int],
    rows: tuple[int, int, int, int],
    columns: tuple[int, int, int, int],
    include_padding: bool,
    divisor: int | None,
) -> Tensor:
    """What each window's sum is divided by: (1, 1, rows, columns), a constant."""
    if divisor:
        return torch.full((1, 1, 1, 1), float(divisor))
    counts = []
    for n, (kernel, stride, padding, windows) in zip(size[2:], (rows, columns), strict=True):
        start = np.arange(windows) * stride - padding
        low, high = (-padding, n + padding) if include_padding else (0, n)
        counts.append(np.minimum(start + kernel, high) - np.maximum(start, low))
    return torch.from_numpy(np.outer(*counts).astype(np.float32)[None, None])


def average_pool(
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
    wide = padded(x, [rows[2], columns[2]], after)
    sums = F.conv2d(wide, ones, stride=(rows[1], columns[1]), groups=channels)
    return sums / _average_counts(x.shape, rows, columns, include_padding, divisor).to(x.dtype)


def average_pool_gradient(
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


def adaptive_pool(x: Tensor, size: Any) -> Tensor:
    rows, columns = pair(size)
    if rows == columns == 1:
        return x.mean((2, 3), keepdim=True)
    return _between(x, _bins(x.shape[2], rows, x.dtype), _bins(x.shape[3], columns, x.dtype))


def adaptive_pool_gradient(g: Tensor, x: Tensor) -> Tensor:
    rows, columns = g.shape[2:]
    if rows == columns == 1:
        return (g / (x.shape[2] * x.shape[3])).expand(x.shape)
    return _between(g, _bins(x.shape[2], rows, g.dtype).T, _bins(x.shape[3], columns, g.dtype).T)


# --- the average pool across the channels that PyTorch computes local response normalisation by


def average_pool_3d(x: Tensor, kernel: Any, stride: Any = (), *rest: Any) -> Tensor:
    if list(kernel[1:]) != [1, 1] or any(s != 1 for s in stride) or (rest and any(rest[0])):
        raise BackendError("three-dimensional pools cannot be exported")
    windows = x.shape[-3] - kernel[0] + 1
    mean: Tensor = _total([x.narrow(-3, i, windows) for i in range(kernel[0])]) / kernel[0]
    return mean


def average_pool_3d_gradient(g: Tensor, x: Tensor, kernel: Any, *rest: Any) -> Tensor:
    n = kernel[0]
    spread: Tensor = _total([F.pad(g, (0, 0, 0, 0, i, n - 1 - i)) for i in range(n)]) / n
    return spread
