"""Gradients of convolutions, as convolutions: see :mod:`livedream.compile.decompositions`.

Heights and widths are symbols: nothing here may branch on them, or the graph would fit one size only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from livedream.errors import BackendError


@torch.library.custom_op("livedream::depth_to_space", mutates_args=())
def depth_to_space(x: Tensor, rows: int, columns: int) -> Tensor:
    """(B, rows·columns·C, h, w), phases outermost, to (B, C, rows·h, columns·w)."""
    b, c, h, w = x.shape
    c //= rows * columns
    x = x.view(b, rows, columns, c, h, w).permute(0, 3, 4, 1, 5, 2)
    return x.reshape(b, c, rows * h, columns * w).clone()


@depth_to_space.register_fake
def _(x: Tensor, rows: int, columns: int) -> Tensor:
    b, c, h, w = x.shape
    return x.new_empty(b, c // (rows * columns), rows * h, columns * w)


def pair(value: Sequence[int]) -> tuple[int, int]:
    """One value or two, as (rows, columns)."""
    values = list(value)
    return (values[0], values[-1])


# Fewer channels than this do not fill a processor's vector registers.
_VECTOR_CHANNELS = 16


def convolution_input_gradient(
    g: Tensor, weight: Tensor, size: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """The gradient with respect to a convolution's input (B, C, H, W) = ``size``, from its output's ``g``.

    It may have been padded further than ``padding`` says at the end, as in pools that round up.
    """
    stride, padding, dilation = pair(stride), pair(padding), pair(dilation)
    outputs, per_group, *kernel = weight.shape
    # (O, I/G, kh, kw) -> (I, O/G, kh, kw): maps outputs to inputs.
    transposed = weight.view(groups, outputs // groups, per_group, *kernel).transpose(1, 2)
    inputs = groups * per_group
    transposed = transposed.reshape(inputs, outputs // groups, *kernel)
    if dilation != (1, 1) and stride != (1, 1):
        transposed, dilation = _with_gaps(transposed, dilation), (1, 1)
        kernel = list(transposed.shape[2:])
    if stride == (1, 1):
        border = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True)]
        return F.conv2d(padded(g, border, border), transposed.flip(2, 3), dilation=dilation, groups=groups)
    # Row r + s·t of the kernel belongs to phase r, tap t. With few inputs, all phases go into one
    # convolution, with zeros for the taps that some of them lack.
    together = inputs < _VECTOR_CHANNELS and groups == 1
    taps = [-(-k // s) for k, s in zip(kernel, stride, strict=True)]
    phases = []
    for row in range(stride[0]):
        for column in range(stride[1]):
            phase = transposed[:, :, row :: stride[0], column :: stride[1]]
            missing = [t - k for t, k in zip(taps, phase.shape[2:], strict=True)]
            if together or 0 in phase.shape:
                phase = F.pad(phase, (0, missing[1], 0, missing[0]))
            phases.append(phase.flip(2, 3))
    # How many rows and columns are missing at the end depends on the size; these suffice for any.
    after = [max(0, -((p - k + 1) // s)) for k, p, s in zip(kernel, padding, stride, strict=True)]
    parts = [
        F.conv2d(padded(g, [n - 1 for n in phase.shape[2:]], after), phase, groups=groups)
        for phase in ([torch.cat(phases)] if together else phases)
    ]
    return cropped(depth_to_space(torch.cat(parts, 1), *stride), padding, size[2:])


def _with_gaps(kernel: Tensor, dilation: tuple[int, int]) -> Tensor:
    """The kernel (I, O, kh, kw) of a dilated convolution as an undilated one, with zeros between its taps."""
    i, o, kh, kw = kernel.shape
    rows, columns = dilation
    wide = F.pad(kernel.view(i, o, kh, 1, kw, 1), (0, columns - 1, 0, 0, 0, rows - 1))
    wide = wide.view(i, o, kh * rows, kw * columns)
    return wide[:, :, : (kh - 1) * rows + 1, : (kw - 1) * columns + 1]


def padded(x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """``x`` padded, or cropped where the padding is negative, by (rows, columns) before and after."""
    grow = [max(0, n) for n in (before[1], after[1], before[0], after[0])]
    if any(grow):
        x = F.pad(x, grow, value=value)
    for axis, first, last in zip((2, 3), before, after, strict=True):
        if first < 0 or last < 0:
            x = x.narrow(axis, max(0, -first), x.shape[axis] - max(0, -first) - max(0, -last))
    return x


def cropped(x: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    """The part of ``x`` (B, C, H, W) with this many rows and columns that begins at ``start``."""
    for axis, first, count in zip((2, 3), start, size, strict=True):
        if first or not same_size(count, x.shape[axis]):
            x = x.narrow(axis, first, count)
    return x


def same_size(a: Any, b: Any) -> bool:
    """Whether two sizes are equal whatever the size of the image."""
    difference = a - b
    if isinstance(difference, torch.SymInt):
        difference = difference.node.maybe_as_int()
    return bool(difference == 0)


def convolution_backward(
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
    """Takes the place of ``aten.convolution_backward``.

    Raises ``BackendError`` for transposed convolutions and for gradients of weights.
    """
    if transposed or any(mask[1:]):
        raise BackendError("transposed convolutions and gradients of weights cannot be exported")
    return convolution_input_gradient(g, weight, x.shape, stride, padding, dilation, groups), None, None
