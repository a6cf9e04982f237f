"""The networks as text: layers, origin, licence, and whether the weights are on this machine."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from livedream.networks.catalogue import (
    CLASSIFIERS,
    NETWORKS,
    WORDS,
    NetworkInfo,
    find_weights,
    installed_networks,
    network_info,
)
from livedream.networks.provenance import import_note


def networks_text() -> str:
    """What ``livedream models list`` prints: the catalogue and whatever else is installed, one line each."""
    here = installed_networks()
    names = [*NETWORKS, *(name for name in CLASSIFIERS if name in here)]
    others = ", ".join(name for name in CLASSIFIERS if name not in here)
    lines = [
        f"{'network':<20} layers  default layer        weights",
        *(_row(network_info(name)) for name in names),
        "",
        *textwrap.wrap(f"torchvision's other classifiers work by name too: {others}", 100),
        "",
        f"Each has a layer for every word: {', '.join(WORDS)}.",
        "livedream models list NAME shows a network's layers, input, origin and licence.",
    ]
    return "\n".join(lines) + "\n"


def network_text(name: str) -> str:
    """What ``livedream models list NAME`` prints. Raises ``UsageError`` for an unknown network."""
    return "\n".join(_details(network_info(name))) + "\n"


def _row(info: NetworkInfo) -> str:
    path = find_weights(info.name)
    default = info.layer(info.default_layer)
    layer = default.short or default.name
    return f"{info.name:<20} {len(info.layers):>6}  {layer:<20} {path or 'not installed'}"


def _details(info: NetworkInfo) -> Iterator[str]:
    path = find_weights(info.name)
    note = import_note(path) if path else None
    yield info.name
    yield f"  weights    {path if path else 'not installed; ' + info.how_to_get}"
    if note:
        yield f"  imported   {note}"
    yield f"  origin     {info.origin}"
    yield f"  licence    {info.licence}"
    mean, std = (", ".join(f"{value:.3g}" for value in v) for v in (info.mean, info.std))
    yield f"  input      {info.channel_order}, normalised: mean {mean}, std {std} (RGB, 0 to 1)"
    width = max(len(layer.name) for layer in info.layers)
    yield f"  {'layer':<{width}}  channels  stride  sees      also called"
    for layer in info.layers:
        also = [layer.short, layer.word if info.words[layer.word] == layer.name else ""]
        called = ", ".join(name for name in also if name not in ("", layer.name))
        row = f"  {layer.name:<{width}}  {layer.channels:>8}  {layer.stride:>6}  {layer.word:<8}  {called}"
        yield row.rstrip()
