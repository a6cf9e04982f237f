"""What this machine can dream: any layer with PyTorch; without it those whose gradient has been exported.

Only names of files are compared, so that a show can ask at any time: whether a file is whole is known when
it is opened.
"""

from __future__ import annotations

from collections.abc import Iterable

from livedream.extras import installed, require_installed
from livedream.networks.catalogue import installed_networks, network_info
from livedream.networks.graphs import SHIPPED_DIR, GraphSpec, graphs_dir


def dreamable_networks() -> tuple[str, ...]:
    """The networks whose weights are on this machine, and of which it can dream a layer."""
    here = installed_networks()
    return here if installed("torch") else tuple(name for name in here if dreamable_layers(name))


def dreamable_layers(network: str) -> tuple[str, ...]:
    """The layers of a network that this machine can dream, from the bottom up."""
    layers = tuple(layer.name for layer in network_info(network).layers)
    if installed("torch"):
        return layers
    return tuple(layer for layer in layers if _exported([GraphSpec(network, layer)]))


def require_dreamable(
    network: str,
    layers: Iterable[str],
    *,
    pool_gradient: str = "exact",
    guide: bool = False,
    words: bool = False,
) -> None:
    """Raise ``MissingPackageError`` when this machine cannot dream these layers, with or without a guide or
    words, which are run by the same graph."""
    if installed("torch"):
        return
    for layer in layers:
        gradient = GraphSpec(network, layer, "guide" if guide or words else "gradient", pool_gradient)
        needed = [gradient, GraphSpec(network, layer, "features")] if guide else [gradient]
        if not _exported(needed):
            how = (
                " with a guide image" * guide
                + " by words" * words
                + " with soft pools" * (pool_gradient == "soft")
            )
            require_installed("torch", f"dreaming {network} {layer}{how} (not exported here)")


def _exported(specs: Iterable[GraphSpec]) -> bool:
    folders = (graphs_dir(), SHIPPED_DIR)
    return all(any((folder / f"{spec.stem}.onnx").is_file() for folder in folders) for spec in specs)
