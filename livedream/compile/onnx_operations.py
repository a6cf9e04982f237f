"""How each operation of a trace is written in ONNX: see :mod:`livedream.compile.onnx_writer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from torch.fx import GraphModule, Node

from livedream.compile.onnx_writer import OnnxWriter, Operation
from livedream.compile.sizes import plain
from livedream.errors import BackendError


def shape_of(node: Node) -> list[Any]:
    """The shape of a node's value; sizes that depend on the image's are expressions, others are ints."""
    return [plain(n) for n in node.meta["val"].shape]


def arguments(node: Node, count: int = 0) -> list[Any]:
    """The node's arguments, padded with None to ``count``."""
    return [*node.args, *[None] * (count - len(node.args))]


def _simple(kind: str) -> Operation:
    """An operation on tensors and numbers that ONNX calls ``kind``."""

    def write(writer: OnnxWriter, node: Node) -> str:
        return writer.emit(kind, writer.same_type(node, [a for a in arguments(node) if a is not None]))

    return write


def _with_alpha(kind: str) -> Operation:
    """``a + alpha·b`` and ``a - alpha·b``."""

    def write(writer: OnnxWriter, node: Node) -> str:
        if node.kwargs.get("alpha", 1) != 1:
            raise BackendError(f"{node.target} with a factor cannot be exported")
        return _simple(kind)(writer, node)

    return write


def _unchanged(writer: OnnxWriter, node: Node) -> str:
    return writer.value(arguments(node)[0], node)


def _convolution(writer: OnnxWriter, node: Node) -> str:
    x, weight, bias, stride, padding, dilation, transposed, _, groups = arguments(node)
    if transposed:
        raise BackendError("transposed convolutions cannot be exported")
    pads = [*padding, *padding]
    inputs = _without_zero_border(x)
    if inputs is not None and not any(pads):
        x, pads = inputs
    names = [writer.value(a, node) for a in (x, weight, bias) if a is not None]
    kernel = shape_of(weight)[2:]
    return writer.emit(
        "Conv", names, kernel_shape=kernel, strides=stride, pads=pads, dilations=dilation, group=groups
    )


def _without_zero_border(node: Any) -> tuple[Node, list[int]] | None:
    """The node that ``node`` pads with zeros, and its pads (top, left, bottom, right); else None."""
    if not isinstance(node, Node) or str(node.target) != "aten.constant_pad_nd.default":
        return None
    x, pads, *value = arguments(node)
    sizes = [plain(pad) for pad in pads]
    if len(pads) != 4 or any(value) or not all(isinstance(size, int) and size >= 0 for size in sizes):
        return None
    left, right, top, bottom = sizes
    return x, [top, left, bottom, right]


def _pad(writer: OnnxWriter, node: Node) -> str:
    x, pads, *value = arguments(node)
    rank = len(shape_of(node))
    before, after = [0] * rank, [0] * rank
    for i in range(len(pads) // 2):
        before[rank - 1 - i], after[rank - 1 - i] = pads[2 * i], pads[2 * i + 1]
    names = [
        writer.value(x, node),
        writer.integers([*before, *after]),
        writer.value(value[0] if value else 0.0, node),
    ]
    return writer.emit("Pad", names)


def _pool_1d(writer: OnnxWriter, node: Node) -> str:
    x, kernel, stride = arguments(node)
    return writer.emit("MaxPool", [writer.value(x, node)], kernel_shape=kernel, strides=stride)


def _depth_to_space(writer: OnnxWriter, node: Node) -> str:
    x, rows, columns = arguments(node)
    name = writer.value(x, node)
    if rows == columns:
        return writer.emit("DepthToSpace", [name], blocksize=rows, mode="DCR")
    b, c, h, w = x.meta["val"].shape
    c //= rows * columns
    name = writer.emit("Reshape", [name, writer.integers([b, rows, columns, c, h, w])])
    name = writer.emit("Transpose", [name], perm=[0, 3, 4, 1, 5, 2])
    return writer.emit("Reshape", [name, writer.integers(node.meta["val"].shape)])


def _threshold_backward(writer: OnnxWriter, node: Node) -> str:
    g, x, threshold = arguments(node)
    above = writer.emit("Greater", [writer.value(x, node), writer.value(float(threshold), x)])
    return writer.emit("Where", [above, writer.value(g, node), writer.value(0.0, node)])


def _where(writer: OnnxWriter, node: Node) -> str:
    condition, yes, no = arguments(node)
    return writer.emit("Where", [writer.value(condition, node), *writer.same_type(node, [yes, no])])


def _slice(writer: OnnxWriter, node: Node) -> str:
    x, axis, start, end, step = arguments(node, 5)
    axis, start, step = axis or 0, plain(start or 0), step or 1
    end = 2**31 if end is None else plain(end)
    if step == 1 and shape_of(x)[axis] == shape_of(node)[axis]:
        return writer.value(x, node)
    end = min(end, 2**31) if isinstance(end, int) else arguments(node)[3]
    bounds = [writer.integers([n]) for n in (arguments(node)[2] or 0, end, axis, step)]
    return writer.emit("Slice", [writer.value(x, node), *bounds])


def _concatenate(writer: OnnxWriter, node: Node) -> str:
    parts, *axis = arguments(node)
    return writer.emit("Concat", [writer.value(p, node) for p in parts], axis=axis[0] if axis else 0)


def _flip(writer: OnnxWriter, node: Node) -> str:
    x, axes = arguments(node)
    name = writer.value(x, node)
    for axis in axes:
        bounds = [writer.integers([n]) for n in (-1, -(2**31), axis, -1)]
        name = writer.emit("Slice", [name, *bounds])
    return name


def _reduction(kind: str) -> Operation:
    """A sum or a mean, over all axes or some."""

    def write(writer: OnnxWriter, node: Node) -> str:
        x, *rest = arguments(node)
        name = writer.value(x, node)
        dtype = node.meta["val"].dtype
        if x.meta["val"].dtype != dtype:
            name = writer.cast(name, dtype)
        axes = list(rest[0]) if rest and rest[0] else list(range(len(shape_of(x))))
        keep = int(bool(rest[1])) if len(rest) > 1 else 0
        return writer.emit(kind, [name, writer.integers(axes)], keepdims=keep)

    return write


def _reshape(writer: OnnxWriter, node: Node) -> str:
    shape = writer.integers(node.meta["val"].shape)
    return writer.emit("Reshape", [writer.value(arguments(node)[0], node), shape])


def _expand(writer: OnnxWriter, node: Node) -> str:
    shape = writer.integers(node.meta["val"].shape)
    return writer.emit("Expand", [writer.value(arguments(node)[0], node), shape])


def _filled(number: float) -> Operation:
    """A tensor with the same number everywhere."""

    def write(writer: OnnxWriter, node: Node) -> str:
        shape = writer.integers(node.meta["val"].shape)
        return writer.emit("Expand", [writer.value(number, node), shape])

    return write


def _full(writer: OnnxWriter, node: Node) -> str:
    return _filled(arguments(node)[1])(writer, node)


def _range(writer: OnnxWriter, node: Node) -> str:
    (count,) = arguments(node)
    return writer.emit("Range", [writer.value(n, node) for n in (0, count, 1)])


def _permute(writer: OnnxWriter, node: Node) -> str:
    rank = len(shape_of(node))
    order = [axis % rank for axis in arguments(node)[1]]
    return writer.emit("Transpose", [writer.value(arguments(node)[0], node)], perm=order)


def _transpose(writer: OnnxWriter, node: Node) -> str:
    x, a, b = arguments(node)
    order = list(range(len(shape_of(node))))
    order[a], order[b] = order[b], order[a]
    return writer.emit("Transpose", [writer.value(x, node)], perm=order)


def _reciprocal_root(writer: OnnxWriter, node: Node) -> str:
    return writer.emit("Reciprocal", [writer.emit("Sqrt", [writer.value(arguments(node)[0], node)])])


def _clamp(writer: OnnxWriter, node: Node) -> str:
    x, low, high = arguments(node, 3)
    bounds = ["" if b is None else writer.value(b, x) for b in (low, high)]
    return writer.emit("Clip", [writer.value(x, node), *(bounds if high is not None else bounds[:1])])


def _cast(writer: OnnxWriter, node: Node) -> str:
    return writer.cast(writer.value(arguments(node)[0], node), node.meta["val"].dtype)


def _exp_minus_1(writer: OnnxWriter, node: Node) -> str:
    return writer.emit(
        "Sub", [writer.emit("Exp", [writer.value(arguments(node)[0], node)]), writer.value(1.0, node)]
    )


def _log_of_1_plus(writer: OnnxWriter, node: Node) -> str:
    return writer.emit(
        "Log", [writer.emit("Add", [writer.value(arguments(node)[0], node), writer.value(1.0, node)])]
    )


def _argmax(writer: OnnxWriter, node: Node) -> str:
    x, axis, *keep = arguments(node)
    return writer.emit("ArgMax", [writer.value(x, node)], axis=axis, keepdims=int(bool(keep and keep[0])))


def _index_select(writer: OnnxWriter, node: Node) -> str:
    x, axis, index = arguments(node)
    return writer.emit("Gather", [writer.value(x, node), writer.value(index, node)], axis=axis)


def _reversed_sub(writer: OnnxWriter, node: Node) -> str:
    a, b = writer.same_type(node, arguments(node)[:2])
    return writer.emit("Sub", [b, a])


OPERATIONS: dict[str, Operation] = (
    {
        "aten.convolution.default": _convolution,
        "aten.constant_pad_nd.default": _pad,
        "aten.threshold_backward.default": _threshold_backward,
        "aten.where.self": _where,
        "aten.slice.Tensor": _slice,
        "aten.cat.default": _concatenate,
        "aten.flip.default": _flip,
        "aten.mean.default": _reduction("ReduceMean"),
        "aten.amax.default": _reduction("ReduceMax"),
        "aten.mean.dim": _reduction("ReduceMean"),
        "aten.sum.default": _reduction("ReduceSum"),
        "aten.sum.dim_IntList": _reduction("ReduceSum"),
        "aten.expand.default": _expand,
        "aten.full.default": _full,
        "aten.fill.Scalar": _full,
        "aten.arange.default": _range,
        "aten.permute.default": _permute,
        "aten.transpose.int": _transpose,
        "aten.rsqrt.default": _reciprocal_root,
        "aten.argmax.default": _argmax,
        "aten.index_select.default": _index_select,
        "aten.expm1.default": _exp_minus_1,
        "aten.log1p.default": _log_of_1_plus,
        "aten.clamp_min.default": _clamp,
        "aten.clamp.default": _clamp,
        "aten._to_copy.default": _cast,
        "livedream.pool_1d.default": _pool_1d,
        "livedream.depth_to_space.default": _depth_to_space,
    }
    | {
        f"aten.{name}": _simple(kind)
        for name, kind in {
            "relu.default": "Relu",
            "mul.Tensor": "Mul",
            "mul.Scalar": "Mul",
            "div.Tensor": "Div",
            "div.Scalar": "Div",
            "sqrt.default": "Sqrt",
            "abs.default": "Abs",
            "neg.default": "Neg",
            "exp.default": "Exp",
            "log.default": "Log",
            "erf.default": "Erf",
            "tanh.default": "Tanh",
            "sigmoid.default": "Sigmoid",
            "reciprocal.default": "Reciprocal",
            "pow.Tensor_Scalar": "Pow",
            "maximum.default": "Max",
            "minimum.default": "Min",
            "mm.default": "MatMul",
            "bmm.default": "MatMul",
            "eq.Tensor": "Equal",
            "gt.Tensor": "Greater",
            "gt.Scalar": "Greater",
            "ge.Scalar": "GreaterOrEqual",
            "ge.Tensor": "GreaterOrEqual",
            "lt.Tensor": "Less",
            "floor_divide.default": "Div",
            "lt.Scalar": "Less",
            "le.Scalar": "LessOrEqual",
            "bitwise_and.Tensor": "And",
            "bitwise_or.Tensor": "Or",
            "bitwise_not.default": "Not",
            "logical_and.default": "And",
            "logical_not.default": "Not",
        }.items()
    }
    | {
        f"aten.{name}": write
        for write, names in {
            _unchanged: ("alias.default", "clone.default", "detach.default"),
            _reshape: (
                "view.default",
                "_unsafe_view.default",
                "unsqueeze.default",
                "squeeze.dim",
                "squeeze.dims",
            ),
            _filled(0.0): ("zeros.default", "new_zeros.default", "zeros_like.default", "empty_like.default"),
            _filled(1.0): ("ones.default", "new_ones.default", "ones_like.default"),
            _with_alpha("Add"): ("add.Tensor", "add.Scalar"),
            _with_alpha("Sub"): ("sub.Tensor", "sub.Scalar"),
            _reversed_sub: ("rsub.Scalar", "rsub.Tensor"),
        }.items()
        for name in names
    }
)


def write_onnx(module: GraphModule, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """The trace ``module``, by ``make_fx``, as an ONNX model whose inputs and outputs have these names.

    Raises ``BackendError`` for an operation that cannot be written.
    """
    return OnnxWriter(module, OPERATIONS).model(inputs, outputs)
