"""Distillation targets and losses: the teacher's activations, and the direction of its input gradients.

The dream follows the gradient of ``0.5·‖activation‖²`` with respect to the image, so the loss includes the
direction of that gradient (double backward). The activations keep single channels meaningful and stabilise
the training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, cosine_similarity

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet, Scale

# Added to each channel's mean square, as a fraction of the layer's: otherwise the error of a channel that
# hardly ever fires, divided by its own mean square, would outweigh the others.
_QUIET_CHANNEL_FRACTION = 0.05

#: Gradients are compared after averaging over squares of these sizes in pixels.
BANDS = (1, 4, 16)


@dataclass(frozen=True)
class TeacherTargets:
    """The teacher's ``activations`` for every dreamnet layer, and its input ``gradient`` for one of them."""

    activations: dict[str, Tensor]
    gradient: Tensor


def teacher_targets(teacher: BvlcGoogLeNet, images: Tensor, layer: str) -> TeacherTargets:
    """One forward pass over ``images`` (B, 3, H, W) and one backward pass from dreamnet's ``layer``."""
    x = images.detach().requires_grad_()
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
            a = a.detach()  # no graph beyond the layer whose gradient is needed
        activations[ours[name]] = a.detach()
        if ours[name] == last:
            break
    return TeacherTargets(activations, gradient)


def root_mean_square(a: Tensor) -> Tensor:
    """The root mean square of each channel of (B, C, H, W), as (1, C, 1, 1)."""
    square = a.float().square().mean((0, 2, 3), keepdim=True)
    return (square + _QUIET_CHANNEL_FRACTION * square.mean()).sqrt()


def scale_of(network: DreamNet, layer: str) -> Tensor:
    """The scale (1, C, 1, 1) by which ``network`` multiplies the output of ``layer``."""
    scale = network.scales[layer]
    assert isinstance(scale, Scale)
    return scale.scale


class Scales:
    """The root mean square of each of the teacher's channels: {layer: (1, C, 1, 1)}.

    During training the student predicts *activation / scale*, because the teacher's activations are in the
    hundreds, too large for the optimiser. :meth:`fold` undoes the division.
    """

    def __init__(self, activations: dict[str, Tensor]) -> None:
        self.of = {layer: root_mean_square(a) for layer, a in activations.items()}

    @torch.no_grad()
    def fold(self, network: DreamNet) -> None:
        """Make ``network`` (in place) predict the activations themselves."""
        for layer, scale in self.of.items():
            scale_of(network, layer).copy_(scale)

    @staticmethod
    @torch.no_grad()
    def unfold(network: DreamNet) -> None:
        """Undo :meth:`fold` (in place): back to predicting *activation / scale*."""
        for layer in LAYERS:
            scale_of(network, layer).fill_(1.0)


def student_gradient(out: Tensor, scale: Tensor, x: Tensor, *, create_graph: bool) -> Tensor:
    """Gradient of ``0.5·‖scale·out‖²`` with respect to ``x`` (B, 3, H, W)."""
    # Normalised, because half precision would overflow and only the direction matters.
    scale = scale / scale.square().mean().sqrt()
    (gradient,) = torch.autograd.grad(0.5 * (scale * out).square().sum(), x, create_graph=create_graph)
    return gradient


def activation_errors(outs: dict[str, Tensor], teacher: TeacherTargets, scales: Scales) -> dict[str, Tensor]:
    """Mean squared error of each layer, relative to each channel's mean square; 1 for a student of zeros."""
    targets = {layer: a / scales.of[layer] for layer, a in teacher.activations.items()}
    return {layer: (out - targets[layer]).square().mean() for layer, out in outs.items()}


def gradient_error(ours: Tensor, theirs: Tensor) -> Tensor:
    """How far two gradients (B, 3, H, W) differ in direction and spectrum: mean over ``BANDS``.

    In each band: 1 − cosine, plus the squared log ratio of the band's strength. The coarse bands are faint in
    any gradient, but they add up over the steps of a dream: a student with too much of them paints washes of
    colour into a calm sky, one with too little only fine grain.
    """
    a, b = (g.float() / g.float().square().mean((1, 2, 3), keepdim=True).sqrt() for g in (ours, theirs))
    errors = []
    for size in BANDS:
        coarse, target = avg_pool2d(a, size), avg_pool2d(b, size)
        log_ratio = 0.5 * (coarse.square().mean() / target.square().mean()).log()
        errors.append(1.0 - gradient_cosine(coarse, target) + log_ratio.square())
    return torch.stack(errors).mean()


def gradient_cosine(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mean cosine between two gradients (B, 3, H, W) over the batch."""
    return cosine_similarity(ours.flatten(1).float(), theirs.flatten(1).float()).mean()
