"""DreamNet: livedream's own small network, shipped with its weights.

BVLC GoogLeNet, factorised to lower rank and trained by ``training`` to imitate the original: its activations
at five layers, channel for channel, and the direction of its gradients. Convolutions go through fewer
channels, pools are smooth, and one division by a position's overall strength replaces the normalisation, so
that the gradient is smooth, fast on every backend and easy to export.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livedream.data import shipped
from livedream.networks.architectures import bvlc_googlenet
from livedream.networks.architectures.stages import activations, truncate
from livedream.networks.weights import fill, read_tensors

#: layer -> (channels, stride in pixels)
LAYERS: dict[str, tuple[int, int]] = {
    "edges": (192, 4),
    "textures": (480, 8),
    "patterns": (512, 16),
    "parts": (512, 16),
    "objects": (832, 16),
}

#: layer -> the layer of bvlc_googlenet that it predicts, channel for channel
TEACHER_LAYERS = {
    "edges": "conv2",
    "textures": "inception_3b",
    "patterns": "inception_4a",
    "parts": "inception_4c",
    "objects": "inception_4e",
}

STEM_CHANNELS, STEM_RANK, EDGES_RANK = 64, 32, 48
#: The number of channels to which an inception squeezes its input, its 3x3 and its 5x5; 0: not at all.
Ranks = tuple[int, int, int]
#: layer -> the inceptions that it adds to the trunk, each as wide as the teacher's
INCEPTIONS: dict[str, dict[str, Ranks]] = {
    "textures": {"inception_3a": (64, 48, 0), "inception_3b": (96, 80, 48)},
    "patterns": {"inception_4a": (96, 64, 0)},
    "parts": {"inception_4b": (96, 64, 0), "inception_4c": (96, 64, 0)},
    "objects": {"inception_4d": (128, 96, 0), "inception_4e": (128, 96, 0)},
}

WEIGHTS = shipped("models") / "dreamnet.safetensors"

#: Subtracted from an image in [0, 1], and divided by. The mean is the teacher's.
MEAN_RGB, STD = (123.0 / 255.0, 117.0 / 255.0, 104.0 / 255.0), 0.226


class Normalise(nn.Module):
    """RGB in [0, 1] to about zero mean and unit std. (B, 3, H, W) both."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * (1.0 / STD)


class Convolution(nn.Conv2d):
    """A convolution that keeps its input's size (over its stride), with Kaiming's initialisation.

    PyTorch's own initialisation shrinks the signal at each layer and starves a network without batch
    normalisation.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, linear: bool = False
    ) -> None:
        self._gain = 1.0 if linear else 2.0
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=not linear)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=(self._gain / self.weight[0].numel()) ** 0.5)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ThinConvolution(nn.Sequential):
    """A convolution and its ReLU, factorised: linear to ``rank`` channels, then 1x1 to its outputs.

    That is what remains of a convolution when only the main components of its response are kept (Zhang,
    Zou, He and Sun, "Accelerating very deep convolutional networks", 2015). Rank 0: not factorised.
    """

    def __init__(self, inputs: int, rank: int, outputs: int, kernel: int, stride: int = 1) -> None:
        if rank:
            down = Convolution(inputs, rank, kernel, stride, linear=True)
            super().__init__(down, Convolution(rank, outputs), nn.ReLU())
        else:
            super().__init__(Convolution(inputs, outputs, kernel, stride), nn.ReLU())


class SmoothPool(nn.Module):
    """Root mean square over windows of 3x3 at stride 2: (B, C, H, W) to (B, C, H // 2, W // 2).

    Close to a max-pool, but its gradient reaches every active input, not only the largest.
    """

    def forward(self, x: Tensor) -> Tensor:
        mean = F.avg_pool2d(x * x, 3, 2, ceil_mode=True, count_include_pad=False)
        return (mean + 1e-4).sqrt()


class DivisiveNorm(nn.Module):
    """``x / (1 + mean square over the channels) ** 0.75``: strong and weak positions count alike.

    (B, C, H, W) to the same. It replaces the teacher's local response normalisation. A network without any
    cannot follow the teacher's gradient: even the teacher without its own cannot (cosine 0.4 at edges, 0.1 at
    objects).
    """

    def forward(self, x: Tensor) -> Tensor:
        root = torch.rsqrt(1.0 + (x * x).mean(1, keepdim=True))
        return x * (root * root.sqrt())


class Inception(nn.Module):
    """Parallel 1x1, 3x3, 5x5 and pool branches on an input that is squeezed once for all of them."""

    def __init__(self, inputs: int, widths: Sequence[int], ranks: Ranks) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, projection = widths
        squeezed, rank3, rank5 = ranks
        self.squeeze = Convolution(inputs, squeezed, linear=True)
        self.one = ThinConvolution(squeezed, 0, one, 1)
        self.reduce3 = ThinConvolution(squeezed, 0, reduce3, 1)
        self.three = ThinConvolution(reduce3, rank3, three, 3)
        self.reduce5 = ThinConvolution(squeezed, 0, reduce5, 1)
        self.five = ThinConvolution(reduce5, rank5, five, 5)
        self.projection = ThinConvolution(squeezed, 0, projection, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x)
        around = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        branches = (self.one(x), self.three(self.reduce3(x)), self.five(self.reduce5(x)))
        return torch.cat((*branches, self.projection(around)), 1)


class Scale(nn.Module):
    """Each channel of (B, C, H, W) times its ``scale``: from the network's units to the teacher's."""

    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class DreamNet(nn.Module):
    """The trunk, one stage per layer, and a scale for each layer. Freshly built it is untrained."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise()
        stem, channels = STEM_CHANNELS, LAYERS["edges"][0]
        begins: dict[str, list[tuple[str, nn.Module]]] = {
            "edges": [
                ("conv1", ThinConvolution(3, STEM_RANK, stem, 7, 2)),
                ("pool", SmoothPool()),
                ("norm", DivisiveNorm()),
                ("reduce", ThinConvolution(stem, 0, stem, 1)),
                ("conv2", ThinConvolution(stem, EDGES_RANK, channels, 3)),
            ],
            "textures": [("pool", SmoothPool()), ("norm", DivisiveNorm())],
            "patterns": [("pool", SmoothPool())],
        }
        self.trunk, self.scales = nn.ModuleDict(), nn.ModuleDict()
        for layer, (outputs, _) in LAYERS.items():
            stage = nn.Sequential(OrderedDict(begins.get(layer, [])))
            for name, ranks in INCEPTIONS.get(layer, {}).items():
                stage.add_module(name, Inception(channels, bvlc_googlenet.INCEPTION[name], ranks))
                channels = bvlc_googlenet.LAYERS[name][0]
            self.trunk[layer], self.scales[layer] = stage, Scale(outputs)

    def forward(self, x: Tensor, layers: Sequence[str] = tuple(LAYERS)) -> dict[str, Tensor]:
        """The activations of ``layers`` for RGB (B, 3, H, W) in [0, 1]; it ends after the last of them."""
        found = activations(self.normalise(x), self.trunk, layers)
        return {layer: self.scales[layer](a) for layer, a in found.items()}

    def truncate(self, layer: str) -> nn.Sequential:
        """RGB (B, 3, H, W) in [0, 1] to the activation of ``layer`` (B, C, h, w); shares the weights.

        Raises ``UsageError`` for a layer that this network does not have.
        """
        scale = self.scales[layer] if layer in LAYERS else None
        return truncate("dreamnet", self.normalise, self.trunk, layer, LAYERS, scale)


def load(path: Path | None = None) -> DreamNet:
    """The network with the weights of a file, the shipped one by default, in fp32.

    Raises ``NetworkError`` naming the first tensor that is missing or has another shape, and for a file
    that is missing, damaged or of another kind.
    """
    path = WEIGHTS if path is None else path
    # Initial values that are overwritten cost 10 ms; the "meta" device, without them, loads torch's compiler
    # for four seconds.
    network = DreamNet()
    fill(network.state_dict(keep_vars=True), read_tensors(path), path, "dreamnet")
    return network.requires_grad_(False).eval()
