"""A classifier that says what a picture shows, and which channels of a layer say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from livedream.errors import NetworkError
from livedream.extras import require
from livedream.networks.catalogue import find_weights, network_info
from livedream.networks.load import load_network

#: What the layers that can have words are called on every network.
WORDED = ("patterns", "parts", "objects")
#: Squares of this size are looked at: half the work of the 224 pixels that classifiers were trained on.
SIDE_PX = 160


class Judge:
    """The classifier that names what ``network`` dreams: itself, or for ``dreamnet`` its teacher.

    ``layers`` maps each of the network's layers that can have words to the judge's layer, whose channels are
    the same. Raises ``UsageError`` for an unknown network, ``NetworkError`` when the judge's weights are not
    here, ``MissingPackageError`` without PyTorch.
    """

    def __init__(self, network: str) -> None:
        require("torch", f"making the words of {network}")
        info = network_info(network)
        judge = network_info("bvlc_googlenet") if info.provider == "livedream" else info
        self.layers = {info.words[word]: judge.words[word] for word in WORDED}
        self._classify, find = _classifier(judge.name)
        self._modules = {layer: find(theirs) for layer, theirs in self.layers.items()}

    def activities(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits, and each layer's mean squared activation by channel, (B, C)."""
        with torch.no_grad():
            logits, found = self._watched(images)
        return logits, {layer: a.float().square().mean((2, 3)) for layer, a in found.items()}

    def gradients(
        self, images: Tensor, value: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """``value`` (B,) of the logits, and its gradient by each layer's activation: (B, C), the mean of all
        places.

        An image's value may depend on its own logits only.
        """
        with torch.enable_grad():
            logits, found = self._watched(images.detach().requires_grad_(True))
            values = value(logits)
            gradients = torch.autograd.grad(values.sum(), list(found.values()))
        means = (gradient.float().mean((2, 3)) for gradient in gradients)
        return values.detach(), dict(zip(found, means, strict=True))

    def _watched(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The logits and the activations of the layers."""
        found: dict[str, Tensor] = {}
        handles = [
            module.register_forward_hook(lambda _, __, out, layer=layer: found.__setitem__(layer, out))
            for layer, module in self._modules.items()
        ]
        try:
            return self._classify(images), found
        finally:
            for handle in handles:
                handle.remove()


def _classifier(network: str) -> tuple[Callable[[Tensor], Tensor], Callable[[str], nn.Module]]:
    """What classifies images, and its modules by the names of the catalogue's layers."""
    info = network_info(network)
    if info.provider == "caffe":
        from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet

        trunk = load_network(network)
        assert isinstance(trunk, BvlcGoogLeNet)
        return trunk.classify, trunk.stages.__getitem__
    from livedream.networks.architectures.classifier import Normalise, read

    path = find_weights(network)
    if path is None:
        raise NetworkError(f"{network} has no weights on this machine; {info.how_to_get}")
    model = nn.Sequential(Normalise(info), read(info, path)).requires_grad_(False)
    for module in model.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    return model, model[1].get_submodule


def mean_free(classes: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """The value of one class for each image: its logit less the mean of all."""

    def value(logits: Tensor) -> Tensor:
        chosen = logits.gather(1, torch.tensor(classes, device=logits.device)[:, None])
        return chosen[:, 0] - logits.mean(1)

    return value
