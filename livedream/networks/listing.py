"""The networks as a text for a person: layers, origin, licence, and whether the weights are here."""

from __future__ import annotations

from collections.abc import Iterator

from livedream.networks.catalogue import NETWORKS, find_weights
from livedream.networks.sidecar import import_note


def networks_text() -> str:
    """What ``live.py models list`` prints."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for info in NETWORKS.values():
        path = find_weights(info.name)
        note = import_note(path) if path else None
        yield info.name
        yield f"  weights   {path if path else 'not here: ' + info.how_to_get}"
        if note:
            yield f"  imported  {note}"
        yield f"  origin    {info.origin}"
        yield f"  licence   {info.licence}"
        yield "  layer           channels  stride  sees"
        names = {layer: word for word, layer in info.words.items()}
        for layer in info.layers:
            alias = (
                f" (--layer {names[layer.name]})"
                if layer.name in names and names[layer.name] != layer.name
                else ""
            )
            yield f"  {layer.name:<14} {layer.channels:>9}  {layer.stride:>6}  {layer.word}{alias}"
        yield ""
