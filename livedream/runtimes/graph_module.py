"""An exported graph as a PyTorch module, for GPUs.

PyTorch's autograd needs a forward and a backward pass of many small kernels, and its compiler cannot tune the
gradients of convolutions. Our graphs are forward operations only: read back into PyTorch they run on any
device, in half precision, inside a CUDA graph, and compiled.

A graph's arithmetic with sizes is done once, for the size at which it is read. Needs the package ``onnx``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, fx, nn
from torch.fx import Node

from livedream.errors import BackendError
from livedream.runtimes.graph_fusions import fuse
from livedream.runtimes.graph_operations import (
    COMPARISONS,
    OPERATIONS,
    TYPES,
    Attributes,
    Call,
    Value,
    channels_last,
)

#: Functions whose arguments may be plain numbers, which spares a GPU the reading of a tensor.
_TAKE_NUMBERS = frozenset(
    {torch.add, torch.sub, torch.mul, torch.div, torch.pow, torch.where, torch.clamp} | COMPARISONS
)
_BOOLEAN = COMPARISONS | {torch.logical_and, torch.logical_or, torch.logical_not}


def read_graph(
    path: Path,
    size: tuple[int, int],
    *,
    device: torch.device | None = None,
    precision: torch.dtype = torch.float32,
) -> fx.GraphModule:
    """The graph in the file ``path`` as a module for images of ``size`` (width, height).

    ``module(image, second)`` takes and returns what the graph does, see
    :func:`livedream.compile.tracing.input_names`: all of it float32, in the graph's order, as a tuple. With
    ``precision`` bfloat16, convolutions and what lies between them run in that; float16 is for graphs that
    were exported in half precision.

    Raises ``BackendError`` for a graph of another size, or with an operation that is not one of ours.
    """
    try:
        model = onnx.load(path)
    except Exception as error:  # a damaged file: the parser has exceptions of its own
        raise BackendError(f"{path.name} cannot be read as a graph: {error}") from error
    module = _Builder(model.graph, size, precision).module()
    module.requires_grad_(False)
    return module.to(torch.device("cpu") if device is None else device)


class _Builder:
    """Writes a graph's nodes into a trace. Constants, and whatever follows from sizes alone, are computed."""

    def __init__(self, graph: onnx.GraphProto, size: tuple[int, int], precision: torch.dtype) -> None:
        self._source = graph
        self._size = size
        self._precision = precision
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._values: dict[str, Value] = {"": None}
        self._shapes: dict[str, list[int]] = {}
        self._buffers: dict[tuple[int, torch.dtype], Node] = {}
        self._held: list[Tensor] = []  # so that no two constants have the same id

    def module(self) -> fx.GraphModule:
        for tensor in self._source.initializer:
            self._values[tensor.name] = _tensor(tensor)
        for given in self._source.input:
            if given.name not in self._values:
                self._values[given.name] = self._input(given)
        for node in self._source.node:
            (output,) = node.output
            try:
                self._values[output] = self._value(node)
            except (BackendError, TypeError, RuntimeError, ValueError, IndexError) as error:
                raise BackendError(f"{node.op_type} of this graph cannot be run: {error}") from error
        self._graph.output(tuple(self._output(value.name) for value in self._source.output))
        fuse(self._graph)
        self._graph.eliminate_dead_code()
        self._graph.lint()
        return fx.GraphModule(self._root, self._graph)

    def _input(self, given: onnx.ValueInfoProto) -> Node:
        width, height = self._size
        free = {"height": height, "width": width}
        shape = []
        for dim in given.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param not in free:
                raise BackendError(
                    f"the size {dim.dim_param!r} of this graph's input {given.name} is unknown"
                )
            shape.append(free[dim.dim_param] if dim.dim_param else dim.dim_value)
        if given.name == "image" and shape[2:] != [height, width]:
            raise BackendError(f"a graph for {shape[3]}×{shape[2]} pixels cannot be run at {width}×{height}")
        node = self._graph.placeholder(given.name)
        dtype = node.meta["dtype"] = TYPES[given.type.tensor_type.elem_type]
        self._shapes[given.name] = shape
        if len(shape) == 4:  # as networks prefer
            node = self._emit(Call(channels_last, (node,)))
        return self._cast(node, self._low(dtype)) if len(shape) > 1 else node

    def _output(self, name: str) -> Node:
        value = self._values[name]
        node = self._buffer(value, value.dtype) if isinstance(value, Tensor) else value
        assert node is not None
        return self._cast(node, torch.float32)

    def _value(self, node: onnx.NodeProto) -> Value:
        inputs = [self._values[name] for name in node.input]
        if node.op_type == "Identity":
            return inputs[0]
        if node.op_type == "Shape":
            part = _attributes(node)
            return torch.tensor(self._shape(node.input[0])[part.get("start", 0) : part.get("end")])
        if node.op_type not in OPERATIONS:
            raise BackendError("it is not one of livedream's operations")
        call = OPERATIONS[node.op_type](inputs, _attributes(node))
        if not any(isinstance(value, Node) for value in _flat(call.arguments)):
            return call.function(*call.arguments, **call.options)
        return self._emit(self._typed(call))

    def _shape(self, name: str) -> list[int]:
        """The shape of a value; our graphs ask only for their inputs'."""
        value = self._values[name]
        if isinstance(value, Tensor):
            return list(value.shape)
        if name not in self._shapes:
            raise BackendError(f"the shape of {name} is not known before it is computed")
        return self._shapes[name]

    def _typed(self, call: Call) -> Call:
        """``call`` with arguments of the types that it needs."""
        if call.multiplies:
            return self._with(call, self._precision if self._precision != torch.float32 else None)
        if call.function is Tensor.to and call.arguments[1].is_floating_point:
            return Call(Tensor.to, (call.arguments[0], self._low(call.arguments[1])))
        return call

    def _with(self, call: Call, dtype: torch.dtype | None) -> Call:
        if dtype is None:
            return call
        arguments = tuple(
            self._cast(value, dtype) if isinstance(value, Node | Tensor) else value
            for value in call.arguments
        )
        return Call(call.function, arguments, call.options)

    def _low(self, dtype: torch.dtype) -> torch.dtype:
        """The type that stands for ``dtype`` between convolutions.

        In float16 large values would overflow: there a graph says itself, by casts, what fits.
        """
        if self._precision == torch.float16 or dtype not in (torch.float32, torch.float16):
            return dtype
        return self._precision

    def _cast(self, value: Node | Tensor, dtype: torch.dtype) -> Node:
        if isinstance(value, Tensor):
            return self._buffer(value, dtype)
        if value.meta["dtype"] == dtype:
            return value
        return self._emit(Call(Tensor.to, (value, dtype)))

    def _emit(self, call: Call) -> Node:
        arguments = _mapped(call.arguments, lambda value: self._argument(value, call))
        node = self._graph.call_function(call.function, arguments, call.options)
        node.meta["dtype"] = _result_type(call, arguments)
        return node

    def _argument(self, value: Tensor, call: Call) -> Any:
        """A constant as an argument of ``call``: a number where that is possible, else a buffer."""
        if value.dim() == 0 and call.function in _TAKE_NUMBERS:
            return value.item()
        return self._buffer(value, self._low(value.dtype))

    def _buffer(self, value: Tensor, dtype: torch.dtype) -> Node:
        key = id(value), dtype
        if key not in self._buffers:
            self._held.append(value)
            name = f"constant_{len(self._buffers)}"
            kept = value.to(dtype)
            if kept.dim() == 4:
                kept = kept.contiguous(memory_format=torch.channels_last)
            self._root.register_buffer(name, kept.clone(memory_format=torch.preserve_format))
            with self._graph.inserting_before(next(iter(self._graph.nodes), None)):
                node = self._graph.get_attr(name)
            node.meta["dtype"] = dtype
            self._buffers[key] = node
        return self._buffers[key]


def _tensor(tensor: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(np.array(numpy_helper.to_array(tensor)))


def _attributes(node: onnx.NodeProto) -> Attributes:
    values = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {
        name: _tensor(value) if isinstance(value, onnx.TensorProto) else value
        for name, value in values.items()
    }


def _result_type(call: Call, arguments: Sequence[Any]) -> torch.dtype | None:
    """The type of what ``call`` returns; None where PyTorch decides when it runs."""
    if call.function in _BOOLEAN:
        return torch.bool
    if call.function is torch.argmax:
        return torch.int64
    if call.function is Tensor.to:
        found: torch.dtype = arguments[1]
        return found
    if "dtype" in call.options:
        return torch.float32
    values = [value for value in _flat(arguments) if isinstance(value, Node)]
    types = {value.meta["dtype"] for value in values if value.meta["dtype"] not in (torch.bool, torch.int64)}
    return types.pop() if len(types) == 1 else None


def _flat(arguments: Sequence[Any]) -> list[Any]:
    return [part for value in arguments for part in (value if isinstance(value, list | tuple) else [value])]


def _mapped(arguments: tuple[Any, ...], change: Any) -> tuple[Any, ...]:
    """``arguments`` with every tensor among them changed."""
    return tuple(
        [change(part) if isinstance(part, Tensor) else part for part in value]
        if isinstance(value, list)
        else change(value)
        if isinstance(value, Tensor)
        else value
        for value in arguments
    )
