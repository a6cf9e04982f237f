"""Gradients of convolutions, as convolutions: see :mod:`livedream.compile.decompositions`."""

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


def pair(value: Sequence[int]) -> tuple[int, int]:
    """One value or two, as (rows, columns)."""
    values = list(value)
    return (values[0], values[-1])


# Fewer channels than this do not fill a processor's vector registers.
_VECTOR_CHANNELS = 16


def convolution_input_gradient(
    g: Tensor, weight: Tensor, size: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int
) -> Tensor:
    """The gradient with respect to a convolution's input (B, C, H, W) = ``size``, from its output's ``g``."""
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
        before = [d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True)]
        after = [
            n - o + d * (k - 1) - b
            for n, o, d, k, b in zip(size[2:], g.shape[2:], dilation, kernel, before, strict=True)
        ]
        return F.conv2d(padded(g, before, after), transposed.flip(2, 3), dilation=dilation, groups=groups)
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
    count = [(n - 1 + p) // s + 1 for n, p, s in zip(size[2:], padding, stride, strict=True)]
    after = [c - o for c, o in zip(count, g.shape[2:], strict=True)]
    parts = [
        F.conv2d(padded(g, [n - 1 for n in phase.shape[2:]], after), phase, groups=groups)
        for phase in ([torch.cat(phases)] if together else phases)
    ]
    out: Tensor = depth_to_space(torch.cat(parts, 1), *stride)
    return out[:, :, padding[0] : padding[0] + size[2], padding[1] : padding[1] + size[3]]


def _with_gaps(kernel: Tensor, dilation: tuple[int, int]) -> Tensor:
    """The kernel (I, O, kh, kw) of a dilated convolution as an undilated one, with zeros between its taps."""
    i, o, kh, kw = kernel.shape
    rows, columns = dilation
    wide = F.pad(kernel.view(i, o, kh, 1, kw, 1), (0, columns - 1, 0, 0, 0, rows - 1))
    wide = wide.view(i, o, kh * rows, kw * columns)
    return wide[:, :, : (kh - 1) * rows + 1, : (kw - 1) * columns + 1]


def padded(x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
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
