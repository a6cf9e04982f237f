"""The initial student: the teacher with factorised convolutions, in closed form and within a minute.

Each convolution of the student is fitted to the response of the teacher's on the same images, given the
student's own input at that point; so it compensates, as far as a linear map can, for the losses before it. A
convolution with fewer channels keeps the principal components of that fit: reduced-rank regression, as in
Zhang, Zou, He and Sun, "Accelerating very deep convolutional networks for classification and detection",
2015.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet, ConvReLU
from livedream.networks.architectures.dreamnet import DreamNet, Inception, ThinConvolution
from training.distil import root_mean_square

# Number of sampled positions to fit a convolution at; ridge penalty relative to the mean variance.
_POSITIONS, _RIDGE = 40_000, 1e-3

#: Response of each of the teacher's convolutions before its ReLU, over the root mean square after it.
Responses = dict[str, Tensor]


@torch.no_grad()
def factorise(student: DreamNet, teacher: BvlcGoogLeNet, images: Tensor) -> None:
    """Fit ``student`` (in place) to ``teacher`` on ``images`` (B, 3, H, W), all in fp32.

    Its channels approximate the teacher's, each divided by its root mean square.
    """
    responses = _responses(teacher, images)
    hooks = []
    for name, part in student.trunk.named_modules():
        name = name.partition(".")[2]  # without the layer's name
        theirs = _THEIRS.get(name, name)
        if isinstance(part, ThinConvolution):
            hooks.append(part.register_forward_pre_hook(partial(_fit, response=responses[theirs])))
        elif isinstance(part, Inception):
            together = torch.cat([responses[f"{theirs}.{branch}"] for branch in _SQUEEZED], 1)
            hooks.append(part.register_forward_pre_hook(partial(_fit_squeeze, response=together)))
    student(images)  # each part is fitted just before it runs
    for hook in hooks:
        hook.remove()


#: The student's names of convolutions that are named differently in the teacher.
_THEIRS = {"reduce": "conv2_reduce"}
#: The branches that an inception's squeezed input is fitted to; the pooled branch uses the same input.
_SQUEEZED = ("one", "reduce3", "reduce5")


def _responses(teacher: BvlcGoogLeNet, images: Tensor) -> Responses:
    found: Responses = {}

    def keep(part: ConvReLU, inputs: tuple[Tensor], output: Tensor, name: str) -> None:
        before = F.conv2d(inputs[0], part.weight, part.bias, part.stride, part.padding)
        found[name] = before / root_mean_square(output)

    hooks = [
        part.register_forward_hook(partial(keep, name=name))
        for name, part in teacher.stages.named_modules()
        if isinstance(part, ConvReLU)
    ]
    teacher(images, ["inception_4e"])
    for hook in hooks:
        hook.remove()
    return found


def _fit(part: ThinConvolution, inputs: tuple[Tensor], response: Tensor) -> None:
    convolutions = [layer for layer in part if isinstance(layer, nn.Conv2d)]
    first, last = convolutions[0], convolutions[-1]
    matrix, thin, bias = _regression(
        first, inputs[0], response, None if first is last else first.out_channels
    )
    first.weight.copy_(matrix.T.reshape(first.weight.shape))
    if first is not last:
        last.weight.copy_(thin.T[..., None, None])
    assert last.bias is not None
    last.bias.copy_(bias)


def _fit_squeeze(part: Inception, inputs: tuple[Tensor], response: Tensor) -> None:
    matrix, _, _ = _regression(part.squeeze, inputs[0], response, part.squeeze.out_channels)
    part.squeeze.weight.copy_(matrix.T[..., None, None])


def _regression(
    convolution: nn.Conv2d, x: Tensor, response: Tensor, rank: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices (inputs, rank) and (rank, outputs) and a bias (outputs,) that map ``x`` to ``response``.

    The ``rank`` intermediate values have a mean square of 1; ``rank`` None means full rank.
    """
    a, b = _rows(convolution, x, response)
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = a - mean_a, b - mean_b
    square = a.T @ a
    ridge = _RIDGE * square.diagonal().mean() * torch.eye(len(square), device=x.device)
    full = torch.linalg.solve(square + ridge, a.T @ b)
    if rank is None:
        first, second = full, torch.eye(full.shape[1], device=x.device)
    else:
        components = torch.linalg.eigh(full.T @ square @ full)[1][:, -rank:]
        first, second = full @ components, components.T
        size = (a @ first).square().mean(0).sqrt()
        size.clamp_(min=float(1e-3 * size.max()))  # with few images some components vanish
        first, second = first / size, second * size[:, None]
    return first, second, mean_b - mean_a @ first @ second


def _rows(convolution: nn.Conv2d, x: Tensor, response: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs of ``convolution`` at random positions of ``x`` (N, values), and ``response`` there (N, C)."""
    inputs, outputs = [], []
    assert isinstance(convolution.padding, tuple)
    generator = torch.Generator().manual_seed(0)
    for image, target in zip(x, response, strict=True):
        columns = F.unfold(image[None], convolution.kernel_size, 1, convolution.padding, convolution.stride)[
            0
        ]
        positions = torch.randperm(columns.shape[1], generator=generator)[: -(-_POSITIONS // len(x))].to(
            x.device
        )
        inputs.append(columns[:, positions].T)
        outputs.append(target.flatten(1)[:, positions].T)
    return torch.cat(inputs), torch.cat(outputs)
