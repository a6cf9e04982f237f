"""torchvision's GoogLeNet: the same architecture as BVLC's with batch norm instead of LRN, trained anew.

Source: Szegedy et al., "Going deeper with convolutions", 2014; torchvision.models.googlenet.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from livedream.errors import NetworkError
from livedream.networks.catalogue import network_info
from livedream.networks.weights import fill, read_tensors

_STAGES = [
    *("conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3"),
    *("inception4a", "inception4b", "inception4c", "inception4d", "inception4e", "maxpool4"),
    *("inception5a", "inception5b"),
]


class ConvReLU(nn.Module):
    """A convolution with its batch norm folded in, then a ReLU that is not in place."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x))


class ImageNetNormalise(nn.Module):
    """RGB in [0, 1] to what torchvision's GoogLeNet was trained on: (x - 0.5) / 0.5.

    Its ``transform_input`` undoes the ImageNet statistics that its published preprocessing applies; the two
    together are this.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x * 2.0 - 1.0


class GoogLeNet(nn.Module):
    """The trunk: stages by torchvision's names, batch norm folded."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.stages = nn.Sequential(OrderedDict((name, getattr(model, name)) for name in _STAGES))
        _fold(self.stages)
        self.requires_grad_(False).eval()

    def truncate(self, layer: str) -> nn.Module:
        """The stages up to ``layer``; see :class:`livedream.networks.load.Trunk`."""
        last = _STAGES.index(network_info("googlenet").layer(layer).name)
        return nn.Sequential(ImageNetNormalise(), *self.stages[: last + 1])


def _fold(module: nn.Module) -> None:
    for name, child in module.named_children():
        conv, norm = getattr(child, "conv", None), getattr(child, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, name, ConvReLU(fuse_conv_bn_eval(conv, norm)))
        else:
            _fold(child)


def load_googlenet(weights: Path | None) -> GoogLeNet:
    """torchvision's GoogLeNet from a state dict file, or through torchvision's download when None.

    Raises ``NetworkError`` when the file is damaged or of another network, or the download fails.
    """
    from torchvision import models

    info = network_info("googlenet")
    if weights is None:
        try:
            model = models.googlenet(weights=models.GoogLeNet_Weights.IMAGENET1K_V1)
        # urllib's errors are OSErrors; torch.hub raises RuntimeError for a file with a wrong hash.
        except (OSError, RuntimeError, HTTPException) as error:
            raise NetworkError(f"googlenet could not be downloaded ({error}); {info.how_to_get}") from error
        return GoogLeNet(model.eval())
    return GoogLeNet(read(weights))


def read(weights: Path) -> nn.Module:
    """torchvision's model with the weights of a state dict file, for which see :func:`parameters`."""
    from torchvision import models

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model: nn.Module = models.googlenet(weights=None, init_weights=False, aux_logits=False).eval()
    fill(parameters(model), read_tensors(weights), weights, "googlenet")
    return model


def parameters(model: nn.Module) -> dict[str, Tensor]:
    """What a weight file must hold: all but how many batches each norm was trained on."""
    return {name: t for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}
