"""BVLC GoogLeNet, the network of google/deepdream, from its original weights.

The network is that of Szegedy et al., "Going Deeper with Convolutions" (2014), as trained by the Berkeley
Vision and Learning Center for Caffe: pools round up (ceil mode), two local response normalisations, no
batch normalisation, images in BGR with the ImageNet mean subtracted.

A weight file holds ``<caffe layer>/weight`` (OIHW) and ``<caffe layer>/bias`` for 57 convolutions and the
classifier ``loss3/classifier``; the original ``.caffemodel`` has the two auxiliary classifiers as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livedream.networks.architectures.stages import activations, truncate
from livedream.networks.weights import fill, read_tensors

#: Widths of the branches: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection.
INCEPTION: dict[str, tuple[int, int, int, int, int, int]] = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}

#: layer -> (channels, stride in pixels)
LAYERS: dict[str, tuple[int, int]] = {"conv1": (64, 2), "conv2": (192, 4)} | {
    name: (w[0] + w[2] + w[4] + w[5], {"3": 8, "4": 16, "5": 32}[name[10]]) for name, w in INCEPTION.items()
}

# Our names of an inception's convolutions and Caffe's.
_BRANCHES = {
    "one": "1x1",
    "reduce3": "3x3_reduce",
    "three": "3x3",
    "reduce5": "5x5_reduce",
    "five": "5x5",
    "projection": "pool_proj",
}

_MEAN_BGR = (104.0, 117.0, 123.0)


class Normalise(nn.Module):
    """RGB in [0, 1] to BGR in levels of 255 with the mean subtracted. (B, 3, H, W) both."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean = torch.tensor(_MEAN_BGR).view(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(1) * 255.0 - self.mean


class LocalResponseNorm(nn.Module):
    """Caffe's LRN across 5 channels: ``x / (1 + 1e-4 / 5 · sum of squares) ** 0.75``. (B, C, H, W) both.

    The input is scaled down before it is squared: an activation's square overflows half precision.

    The sum over neighbouring channels is a 1x1 convolution with a band matrix, which is fast on every
    device, forward and backward; ``F.local_response_norm`` goes through a 3-D average pool.
    """

    band: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        index = torch.arange(channels)
        near = (index[:, None] - index[None, :]).abs() <= 2
        band = near.float()[..., None, None]
        self.register_buffer("band", band, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        small = x * (1e-4 / 5) ** 0.5
        root = torch.rsqrt(1.0 + F.conv2d(small * small, self.band))
        return x * (root * torch.sqrt(root))


class ConvReLU(nn.Conv2d):
    """A convolution that keeps its input's size (over its stride), with its ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Inception(nn.Module):
    """Four parallel branches, 1x1, 3x3, 5x5 and a pool, concatenated along the channels."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, projection = widths
        self.one = ConvReLU(inputs, one, 1)
        self.reduce3 = ConvReLU(inputs, reduce3, 1)
        self.three = ConvReLU(reduce3, three, 3)
        self.reduce5 = ConvReLU(inputs, reduce5, 1)
        self.five = ConvReLU(reduce5, five, 5)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.projection = ConvReLU(inputs, projection, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.one(x), self.three(self.reduce3(x)), self.five(self.reduce5(x)))
        return torch.cat((*branches, self.projection(self.pool(x))), 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


class BvlcGoogLeNet(nn.Module):
    """The whole network, with random weights until :func:`load` fills them."""

    def __init__(self) -> None:
        super().__init__()
        stages: dict[str, nn.Module] = {
            "conv1": ConvReLU(3, 64, 7, 2),
            "pool1": _pool(),
            "norm1": LocalResponseNorm(64),
            "conv2_reduce": ConvReLU(64, 64, 1),
            "conv2": ConvReLU(64, 192, 3),
            "norm2": LocalResponseNorm(192),
            "pool2": _pool(),
        }
        inputs = 192
        for name, widths in INCEPTION.items():
            if name in ("inception_4a", "inception_5a"):
                stages[f"pool{int(name[10]) - 1}"] = _pool()
            stages[name] = Inception(inputs, widths)
            inputs = LAYERS[name][0]
            self.stages = nn.ModuleDict(stages)
            self.classifier = nn.Linear(inputs, 1000)
        self.normalise = Normalise()
        self.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The activations of ``layers`` for RGB (B, 3, H, W) in [0, 1]; it ends after the last of them."""
        return activations(self.normalise(x), self.stages, layers)

    def truncate(self, layer: str) -> nn.Sequential:
        """RGB (B, 3, H, W) in [0, 1] to the activation of ``layer`` (B, C, h, w); shares the weights.

        Raises ``UsageError`` for a layer that this network does not have.
        """
        return truncate("bvlc_googlenet", self.normalise, self.stages, layer, LAYERS)

    def classify(self, x: Tensor) -> Tensor:
        """RGB (B, 3, 224, 224) in [0, 1] to the logits (B, 1000) of the ImageNet classes."""
        features = self.truncate("inception_5b")(x).mean((2, 3))
        logits: Tensor = self.classifier(features)
        return logits


def load(path: Path) -> BvlcGoogLeNet:
    """The network with the weights of a file; every name and shape is checked.

    Raises ``NetworkError`` naming the first tensor that is missing, has another shape or is not finite,
    and for a file that is missing, damaged or of another kind.
    """
    network = BvlcGoogLeNet()
    fill(parameters(network), read_tensors(path), path, "bvlc_googlenet")
    return network


def parameters(network: BvlcGoogLeNet) -> dict[str, nn.Parameter]:
    """Caffe's name of every tensor, and the parameter that it fills."""
    layers = {
        "conv1/7x7_s2": network.stages["conv1"],
        "conv2/3x3_reduce": network.stages["conv2_reduce"],
        "conv2/3x3": network.stages["conv2"],
        "loss3/classifier": network.classifier,
    }
    for name in INCEPTION:
        for branch, caffe in _BRANCHES.items():
            layers[f"{name}/{caffe}"] = network.stages[name].get_submodule(branch)
    named = {name: dict(layer.named_parameters()) for name, layer in layers.items()}
    return {f"{name}/{kind}": tensors[kind] for name, tensors in named.items() for kind in ("weight", "bias")}
