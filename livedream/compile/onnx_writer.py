"""Writes a trace of PyTorch operations as an ONNX graph.

It knows the operations that gradients of convolutional networks consist of (see
:mod:`livedream.compile.decompositions`), and refuses any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.fx import GraphModule, Node

from livedream.compile.passes import simplify
from livedream.compile.sizes import SizeWriter, is_size, plain
from livedream.errors import BackendError

OPSET = 18
#: What the sizes of the image are called in a graph.
FREE_SIZES = ("height", "width")

_TYPES = {
    torch.float32: TensorProto.FLOAT,
    torch.float16: TensorProto.FLOAT16,
    torch.bool: TensorProto.BOOL,
    torch.int64: TensorProto.INT64,
    torch.int32: TensorProto.INT32,
}


#: Writes one node of a trace; returns the name of its output.
Operation = Callable[["OnnxWriter", Node], str]


class OnnxWriter:
    """Writes the trace ``module`` by a table of ``operations``, whose keys are PyTorch's names."""

    def __init__(self, module: GraphModule, operations: Mapping[str, Operation]) -> None:
        self._operations = operations
        self._trace = module.graph
        self._constants = simplify(module)
        self._names: dict[Node, str] = {}
        self._made: list[onnx.NodeProto] = []
        self._initial: dict[str, onnx.TensorProto] = {}
        self._sizes = SizeWriter(self.emit, self._plain_integers)

    def model(self, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
        """The trace as an ONNX model whose inputs and outputs have these names.

        Raises ``BackendError`` for an operation that is not in the table.
        """
        given = [node for node in self._trace.nodes if node.op == "placeholder"]
        self._names |= dict(zip(given, inputs, strict=True))
        for node, name in zip(given, inputs, strict=True):
            for axis, size in enumerate(node.meta["val"].shape):
                self._sizes.define(size, name, axis)
        for node in self._trace.nodes:
            if node.op == "call_function" and node not in self._constants and not _is_number(node):
                self._names[node] = self._write(node)
        (results,) = next(node for node in self._trace.nodes if node.op == "output").args
        for node, name in zip(results, outputs, strict=True):
            self._made.append(helper.make_node("Identity", [self._name_of(node)], [name]))
        used = {name for made in self._made for name in made.input}
        graph = helper.make_graph(
            _needed(self._made, outputs),
            "livedream",
            [_described(name, node, FREE_SIZES) for name, node in zip(inputs, given, strict=True)],
            [_described(name, node) for name, node in zip(outputs, results, strict=True)],
            [tensor for name, tensor in self._initial.items() if name in used],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        onnx.checker.check_model(model)
        return model

    def _write(self, node: Node) -> str:
        target = str(node.target)
        if target not in self._operations:
            raise BackendError(f"the operation {target} of this network cannot be exported")
        return self._operations[target](self, node)

    # --- for the operations

    def emit(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """One ONNX node with one output; its name."""
        name = f"t{len(self._made)}"
        self._made.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, dtype: Any) -> str:
        """An array of the model, shared by all that use the same; its name."""
        array = np.asarray(values, dtype)
        return self._initialise(f"{array.dtype}{array.tolist()}", array)

    def _name_of(self, node: Node) -> str:
        if node in self._constants and node not in self._names:
            array = self._constants[node].detach().contiguous().numpy()
            self._names[node] = self._initialise(node.name, array)
        return self._names[node]

    def integers(self, values: Sequence[Any]) -> str:
        """64-bit integers, some of which may depend on the image's size; their name."""
        return self._sizes.all(values)

    def _plain_integers(self, values: Sequence[int]) -> str:
        return self.constant(list(values), np.int64)

    def _initialise(self, name: str, array: np.ndarray[Any, Any]) -> str:
        if name not in self._initial:
            self._initial[name] = numpy_helper.from_array(array, name)
        return name

    def value(self, argument: Any, like: Node) -> str:
        """The name of an argument: a node's, or a number's as a constant of ``like``'s type."""
        if is_size(argument):
            return self.scalar(argument, like.meta["val"].dtype)
        if isinstance(argument, Node):
            return self._name_of(argument)
        return self.constant(argument, _numpy_type(like.meta["val"].dtype))

    def scalar(self, size: Any, dtype: torch.dtype) -> str:
        """A size as a number of another type; its name."""
        name = self.emit("Squeeze", [self.integers([size])])
        return name if dtype == torch.int64 else self.cast(name, dtype)

    def cast(self, name: str, dtype: torch.dtype) -> str:
        """A value converted to another type; its name."""
        return self.emit("Cast", [name], to=_TYPES[dtype])

    def same_type(self, node: Node, arguments: Sequence[Any]) -> list[str]:
        """The names of ``arguments``, all of the widest type among them."""
        dtypes = [a.meta["val"].dtype for a in arguments if isinstance(a, Node) and not is_size(a)]
        widest = dtypes[0]
        for dtype in dtypes:
            widest = torch.promote_types(widest, dtype)
        names = []
        for argument in arguments:
            if is_size(argument):
                names.append(self.scalar(argument, widest))
            elif isinstance(argument, Node):
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


def _is_number(node: Node) -> bool:
    """Whether a node computes with sizes: those that are needed are written from their expressions."""
    return isinstance(node.meta.get("val"), torch.SymInt | torch.SymFloat | torch.SymBool | int | float)


def _described(name: str, node: Node, free: Sequence[str] = ()) -> onnx.ValueInfoProto:
    """An input or output of the graph; sizes that depend on the image's get the names ``free``, in order."""
    value, names = node.meta["val"], iter(free)
    sizes = [plain(size) for size in value.shape]
    shape = [size if isinstance(size, int) else next(names, None) for size in sizes]
    return helper.make_tensor_value_info(name, _TYPES[value.dtype], shape)


def _numpy_type(dtype: torch.dtype) -> Any:
    return torch.empty(0, dtype=dtype).numpy().dtype
