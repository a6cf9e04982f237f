"""Each ONNX operation of our graphs as a call of PyTorch: see :mod:`livedream.runtimes.graph_module`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from onnx import TensorProto
from torch import Tensor
from torch.fx import Node

from livedream.errors import BackendError

#: A value of the graph: computed when it runs, or constant, or (an optional input) absent.
Value = Node | Tensor | None
Attributes = dict[str, Any]

#: What the numbers of ``Cast`` mean.
TYPES: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.INT64: torch.int64,
    TensorProto.INT32: torch.int32,
    TensorProto.BOOL: torch.bool,
}


@dataclass(frozen=True)
class Call:
    """``function(*arguments, **options)``; constants among the arguments may be tensors or numbers.

    ``multiplies``: one of the operations that half precision is for; all of its arguments have one type.
    """

    function: Callable[..., Tensor]
    arguments: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)
    multiplies: bool = False


Operation = Callable[[Sequence[Value], Attributes], Call]


def integers(value: Value) -> list[int]:
    """A constant of integers. Raises ``BackendError`` when it is not constant."""
    if not isinstance(value, Tensor):
        raise BackendError("a size or an index of this graph depends on the image's content")
    return [int(n) for n in value.flatten().tolist()]


# --- what PyTorch has no single function for, or none that keeps channels last in memory under torch.vmap


def channels_last(x: Tensor) -> Tensor:
    """``x`` (B, C, h, w) with its channels last in memory."""
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def padded(x: Tensor, pads: list[int]) -> Tensor:
    """``x`` (B, C, h, w) with ``pads`` (left, right, top, bottom) of zeros."""
    if not any(pads):
        return x
    return F.pad(x.permute(0, 2, 3, 1), [0, 0, *pads]).permute(0, 3, 1, 2)


def concatenated(parts: Sequence[Tensor], axis: int) -> Tensor:
    """``parts`` along ``axis``, which counts from 0."""
    if parts[0].dim() != 4:
        return torch.cat(list(parts), axis)
    last = [part.permute(0, 2, 3, 1) for part in parts]
    return torch.cat(last, (0, 3, 1, 2)[axis]).permute(0, 3, 1, 2)


def padded_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pads: list[int],
    stride: list[int],
    dilation: list[int],
    groups: int,
) -> Tensor:
    """A convolution with ``pads`` (left, right, top, bottom) of its own on every side."""
    return F.conv2d(padded(x, pads), weight, bias, stride, 0, dilation, groups)


def sum_pool(x: Tensor, kernel: list[int], stride: list[int], pads: list[int]) -> Tensor:
    """The sum of each window of ``x``, padded by ``pads`` (left, right, top, bottom)."""
    return F.avg_pool2d(padded(x, pads), kernel, stride, divisor_override=1)


def depth_to_space(x: Tensor, rows: int, columns: int) -> Tensor:
    """(B, rows·columns·C, h, w), phases outermost, to (B, C, rows·h, columns·w), channels last in memory."""
    b, c, h, w = x.shape
    c //= rows * columns
    x = x.permute(0, 2, 3, 1).reshape(b, h, w, rows, columns, c).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(b, rows * h, columns * w, c).permute(0, 3, 1, 2)


def sliced(x: Tensor, ranges: list[tuple[int, int, int, int]]) -> Tensor:
    """``x`` from start to end in steps along axes: (axis, start, end, step) each; steps may be negative."""
    for axis, start, end, step in ranges:
        if step > 0:
            index: list[Any] = [slice(None)] * x.dim()
            index[axis] = slice(start, end, step)
            x = x[tuple(index)]
        else:
            kept = range(x.shape[axis])[slice(start, None if end < -x.shape[axis] else end, step)]
            x = x.index_select(axis, torch.arange(kept.start, kept.stop, kept.step, device=x.device))
    return x


def expanded(x: Tensor, shape: list[int]) -> Tensor:
    """``x`` broadcast to at least ``shape``, as ONNX does: a 1 there keeps the size of ``x``."""
    whole = [1] * (x.dim() - len(shape)) + shape
    sizes = [1] * (len(shape) - x.dim()) + list(x.shape)
    return x.expand([size if size > 1 else most for size, most in zip(sizes, whole, strict=True)])


def truncated_division(a: Tensor, b: Tensor) -> Tensor:
    """The quotient of integers, towards zero."""
    return torch.div(a, b, rounding_mode="trunc")


def gathered(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """The slices of ``x`` along ``axis`` that ``index``, of any shape, names."""
    chosen = x.index_select(axis, torch.where(index < 0, index + x.shape[axis], index).flatten())
    return chosen.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def filled(shape: list[int], value: Tensor) -> Tensor:
    """A constant of this shape."""
    return value.flatten()[0].expand(shape).clone()


# --- from ONNX's inputs and attributes to PyTorch's arguments


def _simple(function: Callable[..., Tensor]) -> Operation:
    return lambda inputs, attributes: Call(function, tuple(inputs))


def _multiplication(function: Callable[..., Tensor]) -> Operation:
    return lambda inputs, attributes: Call(function, tuple(inputs), multiplies=True)


def _convolution(inputs: Sequence[Value], attributes: Attributes) -> Call:
    x, weight, bias = (*inputs, None)[:3]
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise BackendError("convolutions with auto_pad cannot be run")
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    stride, dilation = (list(attributes.get(name, [1, 1])) for name in ("strides", "dilations"))
    groups = attributes.get("group", 1)
    if dilation == [1, 1] and bias is None and _sums_channels(weight, groups):  # how graphs write averages
        return Call(sum_pool, (x, list(weight.shape[2:]), stride, [left, right, top, bottom]))
    if (top, left) == (bottom, right):
        arguments = (x, weight, bias, stride, [top, left], dilation, groups)
        return Call(F.conv2d, arguments, multiplies=True)
    pads = [left, right, top, bottom]
    return Call(padded_convolution, (x, weight, bias, pads, stride, dilation, groups), multiplies=True)


def _sums_channels(weight: Value, groups: int) -> TypeGuard[Tensor]:
    """Whether a kernel only sums up the values of each channel."""
    if groups == 1 or not isinstance(weight, Tensor) or tuple(weight.shape[:2]) != (groups, 1):
        return False
    return bool((weight == 1).all())


def _max_pool(inputs: Sequence[Value], attributes: Attributes) -> Call:
    kernel = list(attributes["kernel_shape"])
    stride = list(attributes.get("strides", [1, 1]))
    if any(attributes.get("pads", [])) or attributes.get("ceil_mode", 0):
        raise BackendError("max-pools with padding cannot be run")
    return Call(F.max_pool2d, (inputs[0], kernel, stride))


def _pad(inputs: Sequence[Value], attributes: Attributes) -> Call:
    if attributes.get("mode", b"constant") != b"constant" or len(inputs) > 3:
        raise BackendError("only padding with a constant can be run")
    pads = integers(inputs[1])
    rank = len(pads) // 2
    order = [pads[axis + side * rank] for axis in reversed(range(rank)) for side in (0, 1)]
    value = float(inputs[2].item()) if len(inputs) > 2 and isinstance(inputs[2], Tensor) else 0.0
    return Call(F.pad, (inputs[0], order, "constant", value))


def _depth_to_space(inputs: Sequence[Value], attributes: Attributes) -> Call:
    if attributes.get("mode", b"DCR") != b"DCR":
        raise BackendError("DepthToSpace can be run in the mode DCR only")
    size = attributes["blocksize"]
    return Call(depth_to_space, (inputs[0], size, size))


def _slice(inputs: Sequence[Value], attributes: Attributes) -> Call:
    starts, ends = integers(inputs[1]), integers(inputs[2])
    axes = integers(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = integers(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    return Call(sliced, (inputs[0], list(zip(axes, starts, ends, steps, strict=True))))


def _concatenation(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(concatenated, (list(inputs), attributes["axis"]))


def _reduction(function: Callable[..., Tensor]) -> Operation:
    """A sum, mean or maximum. What a graph gives out, such as an activation's strength, is full precision."""

    def operation(inputs: Sequence[Value], attributes: Attributes) -> Call:
        axes = integers(inputs[1]) if len(inputs) > 1 else []
        keep = bool(attributes.get("keepdims", 1))
        full = {} if keep or function is torch.amax else {"dtype": torch.float32}
        return Call(function, (inputs[0], axes), {"keepdim": keep, **full})

    return operation


def _reshape(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(torch.reshape, (inputs[0], integers(inputs[1])))


def _expand(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(expanded, (inputs[0], integers(inputs[1])))


def _transpose(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(torch.permute, (inputs[0], list(attributes["perm"])))


def unsqueezed(x: Tensor, axes: list[int]) -> Tensor:
    """``x`` with axes of size 1 at these places of the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _unsqueeze(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(unsqueezed, (inputs[0], integers(inputs[1])))


def _squeeze(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(torch.squeeze, (inputs[0], *([tuple(integers(inputs[1]))] if len(inputs) > 1 else [])))


def _clip(inputs: Sequence[Value], attributes: Attributes) -> Call:
    low, high = (*inputs[1:], None, None)[:2]
    return Call(torch.clamp, (inputs[0], low, high))


def _cast(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(Tensor.to, (inputs[0], TYPES[attributes["to"]]))


def _gather(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(gathered, (inputs[0], inputs[1], attributes.get("axis", 0)))


def _argmax(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(
        torch.argmax, (inputs[0], attributes.get("axis", 0)), {"keepdim": bool(attributes.get("keepdims", 1))}
    )


def _division(inputs: Sequence[Value], attributes: Attributes) -> Call:
    whole = any(isinstance(value, Tensor) and not value.is_floating_point() for value in inputs)
    return Call(truncated_division if whole else torch.div, tuple(inputs))


def _range(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(torch.arange, tuple(integers(value)[0] for value in inputs))


def _filled(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(filled, (integers(inputs[0]), attributes.get("value", torch.zeros(1))))


def _constant(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(torch.clone, (attributes["value"],))


def _modulo(inputs: Sequence[Value], attributes: Attributes) -> Call:
    return Call(torch.fmod if attributes.get("fmod", 0) else torch.remainder, tuple(inputs))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Relu": F.relu,
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Pow": torch.pow,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Sqrt": torch.sqrt,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Exp": torch.exp,
    "Log": torch.log,
    "Erf": torch.erf,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Reciprocal": torch.reciprocal,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Not": torch.logical_not,
    "Where": torch.where,
}

#: What gives a boolean of numbers.
COMPARISONS = frozenset({torch.eq, torch.gt, torch.ge, torch.lt, torch.le})

OPERATIONS: dict[str, Operation] = {
    "Conv": _convolution,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "Slice": _slice,
    "Concat": _concatenation,
    "ReduceMean": _reduction(torch.mean),
    "ReduceSum": _reduction(torch.sum),
    "ReduceMax": _reduction(torch.amax),
    "Reshape": _reshape,
    "Expand": _expand,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Clip": _clip,
    "Cast": _cast,
    "Gather": _gather,
    "ArgMax": _argmax,
    "Div": _division,
    "Mod": _modulo,
    "Range": _range,
    "ConstantOfShape": _filled,
    "Constant": _constant,
    "MatMul": _multiplication(torch.matmul),
} | {kind: _simple(function) for kind, function in _FUNCTIONS.items()}
