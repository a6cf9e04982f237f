"""Pools and their gradients, by comparisons and convolutions: see ``decompositions``.

Heights and widths are symbols: nothing here may branch on them, or the graph would fit one size only. So
everything is padded as far as the least favourable size needs, and cropped to its own size at the end.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from livedream.compile.convolutions import (
    convolution_input_gradient,
    cropped,
    depth_to_space,
    padded,
    pair,
    same_size,
)
from livedream.errors import BackendError


@dataclass(frozen=True)
class Windows:
    """The windows of a pool along one axis: their length, stride and padding, and how many there are.

    With ``ceil_mode`` the last may reach past the padding. ``count`` is a symbol where the size is one.
    """

    kernel: int
    stride: int
    padding: int
    ceil_mode: bool
    count: Any

    @property
    def after(self) -> int:
        """How far to pad at the end so that all windows fit, whatever the size."""
        return self.padding + (self.stride - 1 if self.ceil_mode else 0)

    @property
    def taps(self) -> int:
        """Into how many windows, at most, a value enters."""
        return -(-self.kernel // self.stride)


def _windows(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> Windows:
    room = size + 2 * padding - kernel + (stride - 1 if ceil_mode else 0)
    count: Any = room // stride + 1
    if ceil_mode and kernel - padding < stride:  # the last may begin past the input, and is left out then
        count = torch.sym_min(count, (size + padding + stride - 1) // stride)
    return Windows(kernel, stride, padding, ceil_mode, count)


def _both_axes(x: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool) -> tuple[Windows, Windows]:
    """The windows of rows and of columns."""
    given = zip(x.shape[2:], pair(kernel), pair(stride or kernel), pair(padding), strict=True)
    rows, columns = (_windows(n, k, s, p, ceil_mode) for n, k, s, p in given)
    return rows, columns


# --- max-pools


def _lowest(x: Tensor) -> float:
    return -65000.0 if x.dtype == torch.float16 else -3e38


def _padded_along(x: Tensor, dim: int, before: int, after: int, value: float) -> Tensor:
    first, last = ([n, 0] if dim == 2 else [0, n] for n in (before, after))
    return padded(x, first, last, value)


def _pool_along(x: Tensor, dim: int, windows: Windows) -> Tensor:
    x = _padded_along(x, dim, windows.padding, windows.after, _lowest(x))
    sizes = (windows.kernel, 1, windows.stride, 1) if dim == 2 else (1, windows.kernel, 1, windows.stride)
    out: Tensor = _pool_1d(x, sizes[:2], sizes[2:])
    return out if same_size(out.shape[dim], windows.count) else out.narrow(dim, 0, windows.count)


@torch.library.custom_op("livedream::pool_1d", mutates_args=())
def _pool_1d(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """A max-pool without padding; its own name keeps it from being decomposed again."""
    out: Tensor = F.max_pool2d(x, [*kernel], [*stride])
    return out


@_pool_1d.register_fake
def _(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    return x.new_empty(*x.shape[:2], *counts)


def _gradient_phases(g: Tensor, x: Tensor, dim: int, windows: Windows) -> list[Tensor]:
    """Gradient of :func:`_pool_along`: each window's goes to the first of its largest values.

    Of the padded ``x``, phase ``i`` of the result holds what belongs to ``i``, ``i + stride``, … there.
    Values are compared with each other, not with the pool's output: a runtime that computes in another
    precision than it stores would find none equal.
    """
    wide = _padded_along(x, dim, windows.padding, windows.after, _lowest(x))
    values = [_strided(wide, dim, i, windows.stride, windows.count) for i in range(windows.kernel)]
    largest, larger = values[0], []
    for value in values[1:]:
        larger.append(value > largest)
        largest = torch.maximum(largest, value)
    parts, remaining = [], g
    for later in reversed(larger):
        parts.append(torch.where(later, remaining, 0.0))
        remaining = torch.where(later, 0.0, remaining)
    parts = [*parts, remaining][::-1]
    phases: list[Tensor] = []
    for phase in range(windows.stride):
        moved = [
            _padded_along(part, dim, shift, windows.taps - 1 - shift, 0.0)
            for shift, part in enumerate(parts[phase :: windows.stride])
        ]
        phases.append(_total(moved) if moved else torch.zeros_like(phases[0]))
    return phases


def _strided(x: Tensor, dim: int, start: int, stride: int, count: int) -> Tensor:
    end = start + (count - 1) * stride + 1
    return x[:, :, start:end:stride] if dim == 2 else x[:, :, :, start:end:stride]


def _total(parts: list[Tensor]) -> Tensor:
    """The sum of tensors of one shape."""
    return functools.reduce(torch.add, parts)


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
    rows, columns = _both_axes(x, kernel, stride, padding, ceil_mode)
    out = _pool_along(_pool_along(x, 3, columns), 2, rows)
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
    rows, columns = _both_axes(x, kernel, stride, padding, ceil_mode)
    by_row = _gradient_phases(g, _pool_along(x, 3, columns), 2, rows)
    # Phase i has a value for each of the rows i, i + stride, … of these.
    after = max(0, rows.after + rows.taps * rows.stride - rows.kernel)
    wide = _padded_along(x, 2, rows.padding, after, _lowest(x))
    phases: list[Tensor] = []
    for phase, part in enumerate(by_row):
        of_phase = _strided(wide, 2, phase, rows.stride, part.shape[2])
        phases += _gradient_phases(part, of_phase, 3, columns)
    combined = phases[0]
    if len(phases) > 1:
        combined = depth_to_space(torch.cat(phases, 1), rows.stride, columns.stride)
    # Up to so many values at the end are in no window.
    beyond = [max(0, w.kernel - w.padding - w.taps * w.stride + w.stride - 1) for w in (rows, columns)]
    beyond = [0, 0] if ceil_mode else beyond
    return cropped(padded(combined, [0, 0], beyond), [rows.padding, columns.padding], x.shape[2:])


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
    rows, columns = _both_axes(x, kernel, stride, padding, ceil_mode)
    return _average_gradient(g / (rows.kernel * columns.kernel), x.shape, rows, columns)


# --- average pools


def _average_gradient(g: Tensor, size: Sequence[int], rows: Windows, columns: Windows) -> Tensor:
    channels = size[1]
    ones = torch.ones(channels, 1, rows.kernel, columns.kernel, dtype=g.dtype)
    stride, padding = (rows.stride, columns.stride), (rows.padding, columns.padding)
    return convolution_input_gradient(g, ones, size, stride, padding, (1, 1), channels)


def _window_lengths(size: int, windows: Windows, include_padding: bool) -> Tensor:
    """How many values each window averages over: float (count,)."""
    start = torch.arange(windows.count) * windows.stride - windows.padding
    low, high = (-windows.padding, size + windows.padding) if include_padding else (0, size)
    return (start + windows.kernel).clamp(max=high).sub(start.clamp(min=low)).float()


def _average_counts(
    size: Sequence[int], rows: Windows, columns: Windows, include_padding: bool, divisor: int | None
) -> Tensor | int:
    """What each window's sum is divided by: a number, or (rows, columns)."""
    if divisor:
        return divisor
    if not (rows.ceil_mode or rows.padding or columns.padding) or (include_padding and not rows.ceil_mode):
        return rows.kernel * columns.kernel
    by_row, by_column = (
        _window_lengths(n, windows, include_padding)
        for n, windows in zip(size[2:], (rows, columns), strict=True)
    )
    return by_row[:, None] * by_column


def average_pool(
    x: Tensor,
    kernel: Any,
    stride: Any = (),
    padding: Any = (0,),
    ceil_mode: bool = False,
    include_padding: bool = True,
    divisor: int | None = None,
) -> Tensor:
    rows, columns = _both_axes(x, kernel, stride, padding, ceil_mode)
    channels = x.shape[1]
    ones = torch.ones(channels, 1, rows.kernel, columns.kernel, dtype=x.dtype)
    wide = padded(x, [rows.padding, columns.padding], [rows.after, columns.after])
    sums = F.conv2d(wide, ones, stride=(rows.stride, columns.stride), groups=channels)
    sums = cropped(sums, [0, 0], [rows.count, columns.count])
    return _divided(sums, _average_counts(x.shape, rows, columns, include_padding, divisor))


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
    rows, columns = _both_axes(x, kernel, stride, padding, ceil_mode)
    counts = _average_counts(x.shape, rows, columns, include_padding, divisor)
    return _average_gradient(_divided(g, counts), x.shape, rows, columns)


def _divided(x: Tensor, counts: Tensor | int) -> Tensor:
    return x / (counts.to(x.dtype) if isinstance(counts, Tensor) else counts)


def _bins(size: int, bins: int, dtype: torch.dtype) -> Tensor:
    """(bins, size): the averages of an adaptive pool along one axis as a matrix."""
    index = torch.arange(bins)[:, None]
    start, end = index * size // bins, ((index + 1) * size + bins - 1) // bins
    place = torch.arange(size)
    inside = (place >= start).logical_and(place < end)
    return inside.to(dtype) / (end - start).to(dtype)


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
