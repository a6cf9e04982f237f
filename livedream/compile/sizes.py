"""Sizes that depend on the image's, as integers computed inside an ONNX graph.

A trace knows each size as an expression of two symbols, the image's height and width. Here such an expression
becomes a few integer nodes on the image's shape, which a runtime computes once when it opens the graph for a
size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node

from livedream.errors import BackendError

#: Writes one node of this kind with these inputs and attributes; returns the name of its output.
Emit = Callable[..., str]

_KINDS = {"Add": "Add", "Mul": "Mul", "Min": "Min", "Max": "Max", "Mod": "Mod", "PythonMod": "Mod"}
# Nothing negative is ever divided, so rounding down and rounding to zero are the same.
_KINDS |= {"FloorDiv": "Div", "CleanDiv": "Div"}


def plain(size: Any) -> Any:
    """A size, or the node of one, as an int where it is the same for every image; else its expression."""
    if isinstance(size, Node):
        size = size.meta["val"]
    if isinstance(size, torch.SymInt):
        expression = size.node.expr
        return int(expression) if expression.is_Integer else expression
    return int(size)


def is_size(value: Any) -> bool:
    """Whether a value is the node of a size, not of a tensor."""
    return isinstance(value, Node) and isinstance(value.meta.get("val"), torch.SymInt | int)


class SizeWriter:
    """Writes sizes as 64-bit integers of shape (1,), each only once.

    ``names`` are the symbols, by where they come from: the names of (input, axis).
    """

    def __init__(self, emit: Emit, integers: Callable[[Sequence[int]], str]) -> None:
        self._emit, self._integers = emit, integers
        self._symbols: dict[Any, tuple[str, int]] = {}
        self._names: dict[Any, str] = {}

    def define(self, size: Any, tensor: str, axis: int) -> None:
        """A size that is not the same for every image is that of a tensor along ``axis``."""
        symbol = plain(size)
        if not isinstance(symbol, int):
            self._symbols.setdefault(symbol, (tensor, axis))

    def all(self, sizes: Sequence[Any]) -> str:
        """Several sizes as one vector; its name."""
        values = [plain(size) for size in sizes]
        if all(isinstance(value, int) for value in values):
            return self._integers(values)
        names = [self._name(value) for value in values]
        return names[0] if len(names) == 1 else self._emit("Concat", names, axis=0)

    def _name(self, value: Any) -> str:
        if isinstance(value, int):
            return self._integers([value])
        if value not in self._names:
            self._names[value] = self._write(value)
        return self._names[value]

    def _write(self, expression: Any) -> str:
        if expression in self._symbols:
            tensor, axis = self._symbols[expression]
            return self._emit("Shape", [tensor], start=axis, end=axis + 1)
        if expression.is_Integer:
            return self._integers([int(expression)])
        kind = type(expression).__name__
        if kind == "Pow" and expression.exp.is_Integer and expression.exp > 0:
            kind, parts = "Mul", [expression.base] * int(expression.exp)
        else:
            parts = list(expression.args)
        if kind not in _KINDS:
            raise BackendError(f"a network with sizes like {expression} cannot be exported for every size")
        name, *others = [self._name(int(part) if part.is_Integer else part) for part in parts]
        for other in others:
            name = self._emit(_KINDS[kind], [name, other])
        return name
