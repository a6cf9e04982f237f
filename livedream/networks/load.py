"""From a name to a network that can be truncated after any of its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from livedream.errors import NetworkError
from livedream.networks.catalogue import find_weights, network_info
from livedream.networks.provenance import require_undamaged


class Trunk(Protocol):
    """A network whose layers can be dreamt on.

    ``truncate(layer)`` gives the part up to and including ``layer`` (a name of the catalogue's table): a
    module from RGB float (B, 3, H, W) in [0, 1] to the activation (B, C, h, w), sharing the weights.
    """

    def truncate(self, layer: str) -> nn.Module: ...


def load_network(name: str, weights: Path | None = None) -> Trunk:
    """The network called ``name`` with its weights, on the CPU in fp32, ready to be truncated.

    ``weights`` names the file; without it the shipped or cached one is used, and torchvision's networks
    are downloaded. Raises ``UsageError`` for an unknown name and ``NetworkError`` for weights that are
    missing, damaged, of another network, or not those of the sidecar beside them.
    """
    info = network_info(name)
    path = find_weights(name, weights)
    if path is not None:
        require_undamaged(name, path)
    if info.from_torchvision:
        from livedream.networks.architectures import classifier

        return classifier.load(info, path)
    if path is None:
        raise NetworkError(f"{name} has no weights on this machine; {info.how_to_get}")
    if name == "bvlc_googlenet":
        from livedream.networks.architectures import bvlc_googlenet

        return bvlc_googlenet.load(path)
    from livedream.networks.architectures import dreamnet

    return dreamnet.load(path)


def read_weights(name: str, path: Path) -> dict[str, Tensor]:
    """The tensors that the network called ``name`` takes from a weight file: fp32, by their names in it.

    Raises ``NetworkError`` when the file is missing, damaged or of another network.
    """
    info = network_info(name)
    if info.from_torchvision:
        from livedream.networks.architectures import classifier

        return classifier.parameters(classifier.read(info, path))
    if name == "bvlc_googlenet":
        from livedream.networks.architectures import bvlc_googlenet

        return dict(bvlc_googlenet.parameters(bvlc_googlenet.load(path)))
    from livedream.networks.architectures import dreamnet

    return dreamnet.load(path).state_dict()
