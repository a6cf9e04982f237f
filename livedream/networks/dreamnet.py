"""DreamNet: livedream's own small network, shipped with its weights in ``models/``.

Plain convolutions with ReLU, striding instead of pooling and no normalisation layers, so that its
gradient is smooth, fast on every backend and trivial to export. It was trained by ``models.training`` to
imitate BVLC GoogLeNet at five stages: both that network's activations and the direction of its gradients.
A 1x1 *head* predicts each stage, in the teacher's channel order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livedream.errors import UsageError
from livedream.networks.weights import fill, read_tensors

#: layer -> (channels, stride in pixels)
LAYERS: dict[str, tuple[int, int]] = {
    "edges": (192, 4),
    "textures": (480, 8),
    "patterns": (512, 16),
    "parts": (512, 16),
    "objects": (832, 16),
}

#: layer -> the layer of bvlc_googlenet that its head predicts, channel for channel
TEACHER_LAYERS = {
    "edges": "conv2",
    "textures": "inception_3b",
    "patterns": "inception_4a",
    "parts": "inception_4c",
    "objects": "inception_4e",
}

# The stem is as wide and as large as the teacher's, whose filters the training starts from: every gradient
# passes through it back to the picture, and a stem of small filters cannot draw the teacher's strokes.
STEM_CHANNELS, _STEM_KERNEL = 64, 7

#: (channels, stride) of the 3x3 convolutions that each layer adds to the trunk, after the stem (stride 2)
Shape = dict[str, tuple[tuple[int, int], ...]]
SHAPE: Shape = {
    "edges": ((64, 2), (64, 1)),
    "textures": ((96, 2), (96, 1), (96, 1)),
    "patterns": ((192, 2), (192, 1)),
    "parts": ((192, 1), (192, 1)),
    "objects": ((192, 1), (192, 1)),
}

WEIGHTS = Path(__file__).parents[2] / "models" / "dreamnet.safetensors"

#: What the network takes off a picture in [0, 1] and divides it by. The mean is the teacher's.
MEAN_RGB, DEVIATION = (123.0 / 255.0, 117.0 / 255.0, 104.0 / 255.0), 0.226


class Normalise(nn.Module):
    """RGB in [0, 1] to about zero mean and unit deviation. (B, 3, H, W) both."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN_RGB).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * (1.0 / DEVIATION)


class ConvReLU(nn.Conv2d):
    """A convolution that keeps its input's size (over its stride), with its ReLU; Kaiming initialisation.

    PyTorch's own initialisation shrinks the signal at each layer and starves a network without
    normalisation layers.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2)

    def reset_parameters(self) -> None:
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class DreamNet(nn.Module):
    """A stem, the trunk in one stage per layer, and a head for each. Freshly built it is untrained."""

    def __init__(self, shape: Shape = SHAPE) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.trunk = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        self.stem = ConvReLU(3, STEM_CHANNELS, _STEM_KERNEL, 2)
        channels = STEM_CHANNELS
        for layer, convolutions in shape.items():
            stage = nn.Sequential()
            for outputs, stride in convolutions:
                stage.append(ConvReLU(channels, outputs, 3, stride))
                channels = outputs
            self.trunk[layer] = stage
            self.heads[layer] = ConvReLU(channels, LAYERS[layer][0], 1)

    def forward(self, x: Tensor, layers: Sequence[str] = tuple(LAYERS)) -> dict[str, Tensor]:
        """The activations of ``layers`` for RGB (B, 3, H, W) in [0, 1]; it ends after the last of them."""
        found: dict[str, Tensor] = {}
        x = self.stem(self.normalise(x))
        for layer, stage in self.trunk.items():
            x = stage(x)
            if layer in layers:
                found[layer] = self.heads[layer](x)
            if len(found) == len(layers):
                break
        return found

    def truncate(self, layer: str) -> nn.Sequential:
        """RGB (B, 3, H, W) in [0, 1] to the activation of ``layer`` (B, C, h, w); shares the weights.

        Raises ``UsageError`` for a layer that this network does not have.
        """
        if layer not in LAYERS:
            raise UsageError(f"unknown layer {layer!r}; dreamnet has: {', '.join(LAYERS)}")
        names = list(self.trunk)
        stages = OrderedDict((name, self.trunk[name]) for name in names[: names.index(layer) + 1])
        parts = (
            OrderedDict([("normalise", self.normalise), ("stem", self.stem)])
            | stages
            | {"head": self.heads[layer]}
        )
        return nn.Sequential(OrderedDict(parts))


def load(path: Path | None = None) -> DreamNet:
    """The network with the weights of a file, the shipped one by default, in fp32.

    Raises ``NetworkError`` naming the first tensor that is missing or has another shape, and for a file
    that is missing, damaged or of another kind.
    """
    path = WEIGHTS if path is None else path
    # Initial values that are overwritten cost 10 ms; the "meta" device, without them, loads torch's compiler
    # for four seconds.
    network = DreamNet()
    fill(dict(network.named_parameters()), read_tensors(path), path, "dreamnet")
    return network.requires_grad_(False).eval()
