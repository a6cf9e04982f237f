"""Small passes over a trace: dead nodes are removed, equal ones merged, constants computed once."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from livedream.compile.sizes import is_size, plain


def simplify(module: GraphModule) -> dict[Node, Tensor]:
    """Simplify the trace ``module`` in place; returns its constant nodes and their values.

    A node that depends on no input is constant.
    """
    module.graph.eliminate_dead_code()
    _merge_equal(module)
    values: dict[Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            values[node] = getattr(module, node.target)
        elif node.op == "call_function" and all(source in values for source in node.all_input_nodes):
            values[node] = node.target(*map_arg(node.args, values.get), **map_arg(node.kwargs, values.get))
    return values


def _merge_equal(module: GraphModule) -> None:
    seen: dict[Any, Node] = {}
    for node in list(module.graph.nodes):
        if node.op not in ("call_function", "get_attr"):
            continue
        first = seen.setdefault((node.target, _plain(node.args), _plain(node.kwargs)), node)
        if first is not node:
            node.replace_all_uses_with(first)
            module.graph.erase_node(node)


def _plain(value: Any) -> Any:
    """``value`` as something hashable that distinguishes 1, 1.0 and True; equal sizes are equal."""
    if is_size(value):
        return str(plain(value))
    if isinstance(value, list | tuple):
        return tuple(_plain(v) for v in value)
    if isinstance(value, dict):
        return tuple(sorted((k, _plain(v)) for k, v in value.items()))
    return value if isinstance(value, Node) else repr(value)
