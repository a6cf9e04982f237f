"""Networks that are a row of named stages, some of which are layers: running them, and cutting them off."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from torch import Tensor, nn

from livedream.errors import UsageError


def activations(x: Tensor, stages: nn.ModuleDict, layers: Collection[str]) -> dict[str, Tensor]:
    """What the stages called ``layers`` give for ``x`` (B, C, H, W); it ends after the last of them."""
    found: dict[str, Tensor] = {}
    for name, stage in stages.items():
        x = stage(x)
        if name in layers:
            found[name] = x
        if len(found) == len(layers):
            break
    return found


def truncate(
    network: str,
    normalise: nn.Module,
    stages: nn.ModuleDict,
    layer: str,
    layers: Collection[str],
    scale: nn.Module | None = None,
) -> nn.Sequential:
    """``normalise``, the stages up to and including ``layer``, and ``scale``; they are shared, not copied.

    Raises ``UsageError`` when ``layer`` is not one of the ``layers`` of the network called ``network``.
    """
    if layer not in layers:
        raise UsageError(f"unknown layer {layer!r}; {network} has: {', '.join(layers)}")
    kept: OrderedDict[str, nn.Module] = OrderedDict(normalise=normalise)
    for name, stage in stages.items():
        kept[name] = stage
        if name == layer:
            break
    if scale is not None:
        kept["scale"] = scale
    return nn.Sequential(kept)
