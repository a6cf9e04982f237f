"""What dreamnet learns from its teacher: its activations, and the direction of its input gradients.

The dream follows the gradient of ``0.5·‖activation‖²`` with respect to the picture, so that direction is
taught as such (double backward); the activations keep single channels meaningful and steady the training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cosine_similarity

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet

# A channel that hardly ever fires must not count for more than the others when its error is divided by its
# own mean square: this share of the layer's mean square is added.
_QUIET_CHANNEL_SHARE = 0.05

#: Sizes in pixels that gradients are averaged over before they are compared.
BANDS = (1, 4, 16)


@dataclass(frozen=True)
class Lesson:
    """The teacher on one batch: ``activations`` for every dreamnet layer, input ``gradient`` for one."""

    activations: dict[str, Tensor]
    gradient: Tensor


def teach(teacher: BvlcGoogLeNet, pictures: Tensor, layer: str) -> Lesson:
    """One forward pass over ``pictures`` (B, 3, H, W) and one backward pass from dreamnet's ``layer``."""
    x = pictures.detach().requires_grad_()
    activations: dict[str, Tensor] = {}
    gradient = torch.zeros_like(x)
    last = list(TEACHER_LAYERS)[-1]
    ours = {theirs: name for name, theirs in TEACHER_LAYERS.items()}
    a = teacher.normalise(x)
    for name, stage in teacher.stages.items():
        a = stage(a)
        if name not in ours:
            continue
        if ours[name] == layer:
            (gradient,) = torch.autograd.grad(0.5 * a.square().sum(), x)
            a = a.detach()  # no graph is kept beyond the layer whose gradient is wanted
        activations[ours[name]] = a.detach()
        if ours[name] == last:
            break
    return Lesson(activations, gradient)


def root_mean_square(a: Tensor) -> Tensor:
    """Of each channel of (B, C, H, W), as (1, C, 1, 1)."""
    square = a.float().square().mean((0, 2, 3), keepdim=True)
    return (square + _QUIET_CHANNEL_SHARE * square.mean()).sqrt()


class Scales:
    """The root mean square of each of the teacher's channels: {layer: (1, C, 1, 1)}.

    While it trains, a student predicts *activation / scale*: the teacher's activations are in the hundreds,
    which no optimiser likes. :func:`fold` makes them the teacher's.
    """

    def __init__(self, activations: dict[str, Tensor]) -> None:
        self.of = {layer: root_mean_square(a) for layer, a in activations.items()}

    @torch.no_grad()
    def fold(self, network: DreamNet) -> None:
        """Make ``network`` (in place) predict the activations themselves."""
        for layer, scale in self.of.items():
            network.scales[layer].scale.copy_(scale)

    @staticmethod
    @torch.no_grad()
    def unfold(network: DreamNet) -> None:
        """Undo :meth:`fold` (in place): back to predicting *activation / scale*."""
        for layer in LAYERS:
            network.scales[layer].scale.fill_(1.0)


def student_gradient(out: Tensor, scale: Tensor, x: Tensor, *, create_graph: bool) -> Tensor:
    """Gradient of ``0.5·‖scale·out‖²`` with respect to ``x`` (B, 3, H, W)."""
    # Divided by the scale's mean square: half precision would overflow, and only the direction matters.
    scale = scale / scale.square().mean().sqrt()
    (gradient,) = torch.autograd.grad(0.5 * (scale * out).square().sum(), x, create_graph=create_graph)
    return gradient


def activation_errors(outs: dict[str, Tensor], lesson: Lesson, scales: Scales) -> dict[str, Tensor]:
    """Per layer: mean squared error, each channel over its own mean square; 1 for a student of zeros."""
    targets = {layer: a / scales.of[layer] for layer, a in lesson.activations.items()}
    return {layer: (out - targets[layer]).square().mean() for layer, out in outs.items()}


def gradient_error(ours: Tensor, theirs: Tensor) -> Tensor:
    """How far two gradients (B, 3, H, W) differ in direction and spectrum: mean over ``BANDS``.

    In each band 1 − cosine, plus the squared logarithm of how much more or less of the gradient lies there.
    The coarse bands are faint in any gradient, but they are what adds up over the steps of a dream: a student
    with too much of them paints washes of colour into a calm sky, one with too little only fine grain.
    """
    a, b = (g.float() / g.float().square().mean((1, 2, 3), keepdim=True).sqrt() for g in (ours, theirs))
    errors = []
    for size in BANDS:
        coarse, target = avg_pool2d(a, size), avg_pool2d(b, size)
        log_ratio = 0.5 * (coarse.square().mean() / target.square().mean()).log()
        errors.append(1.0 - gradient_cosine(coarse, target) + log_ratio.square())
    return torch.stack(errors).mean()


def gradient_cosine(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mean over the batch of the cosine between two gradients (B, 3, H, W)."""
    return cosine_similarity(ours.flatten(1).float(), theirs.flatten(1).float()).mean()
