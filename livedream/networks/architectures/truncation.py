"""Truncates a network after any of its modules, and prepares the remaining part for dreaming.

The network is traced once into a graph of its operations (torch.fx); truncating copies the graph up to the
module asked for and simplifies it on the way: batch norm is folded into the convolution before it, nothing is
in place, and dropout, stochastic depth and the classifying head are removed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_DROPOUTS = (nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
#: Where a classifier's head begins: operations that remove the activation's height and width.
_HEADS = ("adaptive_avg_pool2d", "flatten", "mean")


class Affine(nn.Module):
    """A batch norm that has no convolution to be folded into: ``x · scale + shift`` per channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight.detach() * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias.detach() - norm.running_mean * scale
        self.register_buffer("scale", scale.view(-1, 1, 1))
        self.register_buffer("shift", shift.view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class _Tracer(fx.Tracer):
    """Records which node of the graph holds each module's result."""

    def __init__(self) -> None:
        super().__init__()
        self.results: dict[str, fx.Node] = {}

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        # While it traces, torch.fx catches the calls of all modules, also those of a dream on another thread.
        if self.submodule_paths is not None and m not in self.submodule_paths:
            return forward(*args, **kwargs)
        result = super().call_module(m, forward, args, kwargs)
        if isinstance(result, fx.Proxy):
            self.results[self.path_of_module(m)] = result.node
        return result


class TruncatableModel:
    """A classifier as a graph that can be truncated after any of its modules, up to its head.

    All truncations share its parts. The model must be in eval mode, and is changed: nothing in it is in place
    any more, and nothing requires gradients.
    """

    def __init__(self, model: nn.Module) -> None:
        model.requires_grad_(False)
        for module in model.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]
        tracer = _Tracer()
        #: Its operations in order, from the image up to the head.
        self.nodes = _without_head(tracer.trace(model), model)
        #: The result of each module by its dotted name, in order of computation.
        kept = set(self.nodes)
        self.results = {name: node for name, node in tracer.results.items() if node in kept}
        self._parts: dict[str, Any] = {
            str(node.target): _part(model, str(node.target))
            for node in self.nodes
            if node.op in ("call_module", "get_attr")
        }

    def cut(self, name: str) -> fx.GraphModule:
        """The network up to the module ``name``: image (B, 3, H, W) to its output (B, C, h, w)."""
        return self.cut_at(self.results[name])

    def cut_at(self, *last: fx.Node) -> fx.GraphModule:
        """The part of the network that computes ``last``; several give a tuple."""
        graph = fx.Graph()
        copies: dict[fx.Node, fx.Node] = {}
        for node in self.nodes:
            copies[node] = self._simplified(node, graph, copies, node in last)
            if all(node in copies for node in last):
                break
        found = tuple(copies[node] for node in last)
        graph.output(found[0] if len(found) == 1 else found)
        used = {str(node.target) for node in graph.nodes if node.op in ("call_module", "get_attr")}
        module = fx.GraphModule({name: self._parts[name] for name in used}, graph)
        graph.eliminate_dead_code()
        module.delete_all_unused_submodules()
        module.recompile()
        return module

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """The module that ``node`` calls; None when it does not call one."""
        part: nn.Module | None = self._parts[str(node.target)] if node.op == "call_module" else None
        return part

    def _simplified(
        self, node: fx.Node, graph: fx.Graph, copies: dict[fx.Node, fx.Node], is_last: bool
    ) -> fx.Node:
        module = self.module_of(node)
        if isinstance(module, _DROPOUTS) or function_of(node) == "stochastic_depth":
            return copies[node.all_input_nodes[0]]
        norm = self._norm_after(node) if isinstance(module, nn.Conv2d) else None
        if norm is not None:
            if is_last:  # a copy: moving it to another device must not move what others are fused from
                part = self._part_of(f"{node.name}_alone", copy.deepcopy, module)
            else:
                name = _fused_name(node, norm)
                part = self._part_of(name, fuse_conv_bn_eval, module, self.module_of(norm))
            return graph.call_module(part, (copies[node.all_input_nodes[0]],))
        if isinstance(module, nn.BatchNorm2d):
            before = node.all_input_nodes[0]
            if copies[before].target == _fused_name(before, node):
                return copies[before]
            affine = self._part_of(f"{node.name}_affine", Affine, module)
            return graph.call_module(affine, (copies[before],))
        simplified = graph.node_copy(node, copies.__getitem__)
        if simplified.kwargs.get("inplace"):
            simplified.kwargs = dict(simplified.kwargs) | {"inplace": False}
        return simplified

    def _norm_after(self, conv: fx.Node) -> fx.Node | None:
        """The batch norm that is the only user of ``conv``'s output."""
        users = list(conv.users)
        return users[0] if len(users) == 1 and isinstance(self.module_of(users[0]), nn.BatchNorm2d) else None

    def _part_of(self, name: str, make: Callable[..., nn.Module], *arguments: Any) -> str:
        """The name of a part of our own, made when it is first needed."""
        if name not in self._parts:
            self._parts[name] = make(*arguments).requires_grad_(False)
        return name


def _fused_name(conv: fx.Node, norm: fx.Node) -> str:
    return f"{conv.name}_and_{norm.name}"


def bottlenecks(nodes: list[fx.Node]) -> list[fx.Node]:
    """The nodes through which everything passes: those that no connection bypasses.

    ``nodes`` are in order and begin with the network's input.
    """
    order = {node: n for n, node in enumerate(nodes)}
    found, reach = [], 0
    for n, node in enumerate(nodes):
        if node.op == "get_attr":
            continue
        if reach <= n:
            found.append(node)
        reach = max([reach, *(order.get(user, n) for user in node.users)])
    return found


def _without_head(graph: fx.Graph, model: nn.Module) -> list[fx.Node]:
    nodes = [node for node in graph.nodes if node.op != "output"]
    for node in bottlenecks(nodes):
        module = model.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.AdaptiveAvgPool2d | nn.Flatten) or function_of(node) in _HEADS:
            return nodes[: nodes.index(node)]
    return nodes


def function_of(node: fx.Node) -> str:
    """The name of the function or method that ``node`` calls, or ""."""
    if node.op == "call_function":
        return str(getattr(node.target, "__name__", ""))
    return str(node.target) if node.op == "call_method" else ""


def _part(model: nn.Module, name: str) -> Any:
    """The module or parameter with a dotted name."""
    owner, _, last = name.rpartition(".")
    return getattr(model.get_submodule(owner), last)
