"""Writes a traced graph of PyTorch operations as an ONNX file.

Only the operations that gradients of convolutional networks are made of (see
:mod:`livedream.networks.decompositions`); another one is a clear error, not a wrong file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.fx import GraphModule, Node

from livedream.errors import BackendError
from livedream.networks.graph_passes import simplify

OPSET = 18

_TYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float16: TensorProto.FLOAT16,
    torch.bool: TensorProto.BOOL,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
}


def write_onnx(module: GraphModule, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """``module``, traced by ``make_fx``, as an ONNX model with these names of inputs and outputs.

    Raises ``BackendError`` for an operation that has no counterpart here.
    """
    return _Writer(module).model(inputs, outputs)


class _Writer:
    def __init__(self, module: GraphModule) -> None:
        self._graph = module.graph
        self._constants = simplify(module)
        self._names: dict[Node, str] = {}
        self._made: list[onnx.NodeProto] = []
        self._initial: dict[str, onnx.TensorProto] = {}

    def model(self, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
        given = [node for node in self._graph.nodes if node.op == "placeholder"]
        self._names |= dict(zip(given, inputs, strict=True))
        for node in self._graph.nodes:
            if node.op == "call_function" and node not in self._constants:
                self._names[node] = self._write(node)
        (results,) = next(node for node in self._graph.nodes if node.op == "output").args
        for node, name in zip(results, outputs, strict=True):
            self._made.append(helper.make_node("Identity", [self._name_of(node)], [name]))
        used = {name for made in self._made for name in made.input}
        graph = helper.make_graph(
            _needed(self._made, outputs),
            "livedream",
            [_described(name, node) for name, node in zip(inputs, given, strict=True)],
            [_described(name, node) for name, node in zip(outputs, results, strict=True)],
            [tensor for name, tensor in self._initial.items() if name in used],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        onnx.checker.check_model(model)
        return model

    def _write(self, node: Node) -> str:
        target = str(node.target)
        if target not in _OPERATIONS:
            raise BackendError(f"the operation {target} of this network cannot be exported")
        return _OPERATIONS[target](self, node)

    # --- what the operations are written with

    def emit(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """One ONNX node with one output; its name."""
        name = f"t{len(self._made)}"
        self._made.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, dtype: Any) -> str:
        array = np.asarray(values, dtype)
        return self._initialise(f"{array.dtype}{array.tolist()}", array)

    def _name_of(self, node: Node) -> str:
        if node in self._constants and node not in self._names:
            array = self._constants[node].detach().contiguous().numpy()
            self._names[node] = self._initialise(node.name, array)
        return self._names[node]

    def integers(self, values: Sequence[int]) -> str:
        return self.constant(list(values), np.int64)

    def _initialise(self, name: str, array: np.ndarray[Any, Any]) -> str:
        if name not in self._initial:
            self._initial[name] = numpy_helper.from_array(array, name)
        return name

    def value(self, argument: Any, like: Node) -> str:
        """The name of an argument: a node's, or a number's as a constant of ``like``'s type."""
        if isinstance(argument, Node):
            return self._name_of(argument)
        return self.constant(argument, _numpy_type(like.meta["val"].dtype))

    def cast(self, name: str, dtype: torch.dtype) -> str:
        return self.emit("Cast", [name], to=_TYPES[dtype])

    def same_type(self, node: Node, arguments: Sequence[Any]) -> list[str]:
        """The names of ``arguments``, all of the widest type among them."""
        dtypes = [a.meta["val"].dtype for a in arguments if isinstance(a, Node)]
        widest = dtypes[0]
        for dtype in dtypes:
            widest = torch.promote_types(widest, dtype)
        names = []
        for argument in arguments:
            if isinstance(argument, Node):
                name = self._name_of(argument)
                names.append(name if argument.meta["val"].dtype == widest else self.cast(name, widest))
            else:
                names.append(self.constant(argument, _numpy_type(widest)))
        return names


def _needed(made: list[onnx.NodeProto], outputs: Sequence[str]) -> list[onnx.NodeProto]:
    wanted = set(outputs)
    kept = []
    for node in reversed(made):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _described(name: str, node: Node) -> onnx.ValueInfoProto:
    value = node.meta["val"]
    return helper.make_tensor_value_info(name, _TYPES[value.dtype], list(value.shape))


def _numpy_type(dtype: torch.dtype) -> Any:
    return torch.empty(0, dtype=dtype).numpy().dtype


def _shape(node: Node) -> list[int]:
    return [int(n) for n in node.meta["val"].shape]


Operation = Callable[[_Writer, Node], str]


def _simple(kind: str) -> Operation:
    """An operation that ONNX has under the name ``kind``, on tensors and numbers."""

    def write(writer: _Writer, node: Node) -> str:
        return writer.emit(kind, writer.same_type(node, [a for a in node.args if a is not None]))

    return write


def _with_alpha(kind: str) -> Operation:
    """``a + alpha·b`` and ``a - alpha·b``."""

    def write(writer: _Writer, node: Node) -> str:
        if node.kwargs.get("alpha", 1) != 1:
            raise BackendError(f"{node.target} with a factor cannot be exported")
        return _simple(kind)(writer, node)

    return write


def _unchanged(writer: _Writer, node: Node) -> str:
    return writer.value(node.args[0], node)


def _convolution(writer: _Writer, node: Node) -> str:
    x, weight, bias, stride, padding, dilation, transposed, _, groups = node.args
    if transposed:
        raise BackendError("transposed convolutions cannot be exported")
    pads = [*padding, *padding]  # type: ignore[misc]
    inputs = _without_zero_border(x)
    if inputs is not None and not any(pads):
        x, pads = inputs
    names = [writer.value(a, node) for a in (x, weight, bias) if a is not None]
    kernel = _shape(weight)[2:]  # type: ignore[arg-type]
    return writer.emit(
        "Conv", names, kernel_shape=kernel, strides=stride, pads=pads, dilations=dilation, group=groups
    )


def _without_zero_border(node: Any) -> tuple[Node, list[int]] | None:
    """What a node pads with zeros, and the pads (top, left, bottom, right); None for another operation."""
    if not isinstance(node, Node) or str(node.target) != "aten.constant_pad_nd.default":
        return None
    x, pads, *value = node.args
    if len(pads) != 4 or any(value) or min(pads) < 0:  # type: ignore[arg-type]
        return None
    left, right, top, bottom = pads  # type: ignore[misc]
    return x, [top, left, bottom, right]  # type: ignore[return-value]


def _pad(writer: _Writer, node: Node) -> str:
    x, pads, *value = node.args
    rank = len(_shape(node))
    before, after = [0] * rank, [0] * rank
    for i in range(len(pads) // 2):  # type: ignore[arg-type]
        before[rank - 1 - i], after[rank - 1 - i] = pads[2 * i], pads[2 * i + 1]  # type: ignore[index]
    names = [
        writer.value(x, node),
        writer.integers([*before, *after]),
        writer.value(value[0] if value else 0.0, node),
    ]
    return writer.emit("Pad", names)


def _pool_1d(writer: _Writer, node: Node) -> str:
    x, kernel, stride = node.args
    return writer.emit("MaxPool", [writer.value(x, node)], kernel_shape=kernel, strides=stride)


def _depth_to_space(writer: _Writer, node: Node) -> str:
    x, rows, columns = node.args
    name = writer.value(x, node)
    if rows == columns:
        return writer.emit("DepthToSpace", [name], blocksize=rows, mode="DCR")
    b, c, h, w = _shape(x)  # type: ignore[arg-type]
    assert isinstance(rows, int) and isinstance(columns, int)
    c //= rows * columns
    name = writer.emit("Reshape", [name, writer.integers([b, rows, columns, c, h, w])])
    name = writer.emit("Transpose", [name], perm=[0, 3, 4, 1, 5, 2])
    return writer.emit("Reshape", [name, writer.integers([b, c, rows * h, columns * w])])


def _threshold_backward(writer: _Writer, node: Node) -> str:
    g, x, threshold = node.args
    above = writer.emit("Greater", [writer.value(x, node), writer.value(float(threshold), x)])  # type: ignore[arg-type]
    return writer.emit("Where", [above, writer.value(g, node), writer.value(0.0, node)])


def _where(writer: _Writer, node: Node) -> str:
    condition, yes, no = node.args
    return writer.emit("Where", [writer.value(condition, node), *writer.same_type(node, [yes, no])])


def _slice(writer: _Writer, node: Node) -> str:
    x, axis, start, end, step = [*node.args, *[None] * (5 - len(node.args))]
    axis, start, step = axis or 0, start or 0, step or 1
    end = 2**31 if end is None else min(int(end), 2**31)  # type: ignore[call-overload]
    if start == 0 and step == 1 and end >= _shape(x)[axis]:  # type: ignore[arg-type,index,operator]
        return writer.value(x, node)
    bounds = [writer.integers([n]) for n in (start, end, axis, step)]  # type: ignore[list-item]
    return writer.emit("Slice", [writer.value(x, node), *bounds])


def _concatenate(writer: _Writer, node: Node) -> str:
    parts, *axis = node.args
    return writer.emit("Concat", [writer.value(p, node) for p in parts], axis=axis[0] if axis else 0)  # type: ignore[union-attr]


def _flip(writer: _Writer, node: Node) -> str:
    x, axes = node.args
    name = writer.value(x, node)
    for axis in axes:  # type: ignore[union-attr]
        count = _shape(node)[axis]  # type: ignore[index]
        name = writer.emit("Gather", [name, writer.integers(range(count - 1, -1, -1))], axis=axis)
    return name


def _reduction(kind: str) -> Operation:
    """A sum or a mean, over all axes or some."""

    def write(writer: _Writer, node: Node) -> str:
        x, *rest = node.args
        name = writer.value(x, node)
        dtype = node.meta["val"].dtype
        if x.meta["val"].dtype != dtype:  # type: ignore[union-attr]
            name = writer.cast(name, dtype)
        axes = list(rest[0]) if rest and rest[0] else list(range(len(_shape(x))))  # type: ignore[arg-type]
        keep = int(bool(rest[1])) if len(rest) > 1 else 0
        return writer.emit(kind, [name, writer.integers(axes)], keepdims=keep)

    return write


def _reshape(writer: _Writer, node: Node) -> str:
    return writer.emit("Reshape", [writer.value(node.args[0], node), writer.integers(_shape(node))])


def _expand(writer: _Writer, node: Node) -> str:
    return writer.emit("Expand", [writer.value(node.args[0], node), writer.integers(_shape(node))])


def _permute(writer: _Writer, node: Node) -> str:
    rank = len(_shape(node))
    order = [axis % rank for axis in node.args[1]]  # type: ignore[union-attr]
    return writer.emit("Transpose", [writer.value(node.args[0], node)], perm=order)


def _transpose(writer: _Writer, node: Node) -> str:
    x, a, b = node.args
    order = list(range(len(_shape(node))))
    order[a], order[b] = order[b], order[a]  # type: ignore[index]
    return writer.emit("Transpose", [writer.value(x, node)], perm=order)


def _reciprocal_root(writer: _Writer, node: Node) -> str:
    return writer.emit("Reciprocal", [writer.emit("Sqrt", [writer.value(node.args[0], node)])])


def _clamp(writer: _Writer, node: Node) -> str:
    x, low, high = [*node.args, *[None] * (3 - len(node.args))]
    bounds = ["" if b is None else writer.value(b, x) for b in (low, high)]  # type: ignore[arg-type]
    return writer.emit("Clip", [writer.value(x, node), *(bounds if high is not None else bounds[:1])])


def _average_pool(writer: _Writer, node: Node) -> str:
    x, kernel, *rest = node.args
    stride, padding, ceil_mode, count_padding, _ = [*rest, *[None] * (5 - len(rest))]
    padding = list(padding or [0, 0])  # type: ignore[call-overload]
    return writer.emit(
        "AveragePool",
        [writer.value(x, node)],
        kernel_shape=kernel,
        strides=stride or kernel,
        pads=[*padding, *padding],
        count_include_pad=int(count_padding is not False),
    )


def _cast(writer: _Writer, node: Node) -> str:
    return writer.cast(writer.value(node.args[0], node), node.meta["val"].dtype)


def _exp_minus_1(writer: _Writer, node: Node) -> str:
    return writer.emit(
        "Sub", [writer.emit("Exp", [writer.value(node.args[0], node)]), writer.value(1.0, node)]
    )


def _log_of_1_plus(writer: _Writer, node: Node) -> str:
    return writer.emit(
        "Log", [writer.emit("Add", [writer.value(node.args[0], node), writer.value(1.0, node)])]
    )


def _argmax(writer: _Writer, node: Node) -> str:
    x, axis, *keep = node.args
    return writer.emit("ArgMax", [writer.value(x, node)], axis=axis, keepdims=int(bool(keep and keep[0])))


def _index_select(writer: _Writer, node: Node) -> str:
    x, axis, index = node.args
    return writer.emit("Gather", [writer.value(x, node), writer.value(index, node)], axis=axis)


def _reversed_sub(writer: _Writer, node: Node) -> str:
    a, b = writer.same_type(node, node.args[:2])
    return writer.emit("Sub", [b, a])


_OPERATIONS: dict[str, Operation] = (
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
        "aten.permute.default": _permute,
        "aten.transpose.int": _transpose,
        "aten.rsqrt.default": _reciprocal_root,
        "aten.argmax.default": _argmax,
        "aten.index_select.default": _index_select,
        "aten.expm1.default": _exp_minus_1,
        "aten.log1p.default": _log_of_1_plus,
        "aten.clamp_min.default": _clamp,
        "aten.clamp.default": _clamp,
        "aten.avg_pool2d.default": _average_pool,
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
            _with_alpha("Add"): ("add.Tensor", "add.Scalar"),
            _with_alpha("Sub"): ("sub.Tensor", "sub.Scalar"),
            _reversed_sub: ("rsub.Scalar", "rsub.Tensor"),
        }.items()
        for name in names
    }
)
