"""From a name to a network that can be truncated after any of its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from livedream.errors import NetworkError
from livedream.extras import require
from livedream.networks.catalogue import NetworkInfo, find_weights, network_info
from livedream.networks.provenance import require_undamaged

if TYPE_CHECKING:
    from torch import Tensor, nn


class Trunk(Protocol):
    """A network whose layers can be dreamt on.

    ``truncate(layer)`` gives the part up to and including ``layer`` (a name of the catalogue's table): a
    module from RGB float (B, 3, H, W) in [0, 1] to the activation (B, C, h, w), sharing the weights.
    """

    def truncate(self, layer: str) -> nn.Module: ...


@dataclass(frozen=True)
class Provider:
    """What loads the networks of one origin; everything in it raises ``NetworkError``.

    ``load`` reads a network from its weight file; ``tensors`` only the tensors that it uses, in fp32 and by
    their names in the file; ``download`` fetches the file first, and is None where that is not possible.
    """

    load: Callable[[NetworkInfo, Path], Trunk]
    tensors: Callable[[NetworkInfo, Path], dict[str, Tensor]]
    download: Callable[[NetworkInfo], Trunk] | None = None


# Each imports its networks when it is asked for: torchvision alone takes four seconds.
def _livedream() -> Provider:
    from livedream.networks.architectures.dreamnet import load

    return Provider(lambda _, path: load(path), lambda _, path: load(path).state_dict())


def _caffe() -> Provider:
    from livedream.networks.architectures.bvlc_googlenet import load, parameters

    return Provider(lambda _, path: load(path), lambda _, path: dict(parameters(load(path))))


def _torchvision() -> Provider:
    from livedream.networks.architectures.classifier import load, parameters, read

    return Provider(load, lambda info, path: parameters(read(info, path)), lambda info: load(info, None))


#: By :attr:`livedream.networks.catalogue.NetworkInfo.provider`.
PROVIDERS: dict[str, Callable[[], Provider]] = {
    "livedream": _livedream,
    "caffe": _caffe,
    "torchvision": _torchvision,
}


def load_network(name: str, weights: Path | None = None) -> Trunk:
    """The network called ``name`` with its weights, on the CPU in fp32, ready to be truncated.

    ``weights`` names the file; without it the one on this machine is used, and torchvision's networks are
    downloaded. Raises ``UsageError`` for an unknown name, ``MissingPackageError`` without PyTorch, and
    ``NetworkError`` for weights that are missing, damaged, of another network, or not those of the sidecar
    beside them.
    """
    info = network_info(name)
    require("torch", f"loading {name}")
    provider = PROVIDERS[info.provider]()
    path = find_weights(name, weights)
    if path is not None:
        require_undamaged(name, path)
        return provider.load(info, path)
    if provider.download is None:
        raise NetworkError(f"{name} has no weights on this machine; {info.how_to_get}")
    return provider.download(info)


def read_weights(name: str, path: Path) -> dict[str, Tensor]:
    """The tensors in a weight file that the network called ``name`` uses: fp32, by their names in the file.

    Raises ``NetworkError`` when the file is missing, damaged or of another network, and
    ``MissingPackageError`` without PyTorch.
    """
    info = network_info(name)
    require("torch", f"reading the weights of {name}")
    return PROVIDERS[info.provider]().tensors(info, path)
