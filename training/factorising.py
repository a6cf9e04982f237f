"""A first student: its teacher, thinned out, in closed form and within a minute.

Each convolution of the student is fitted to what the teacher's own gives on the same pictures, from what the
student has at that point: so it makes up, as far as a linear map can, for what was lost before it. Where the
student goes through fewer channels, the main components of that fit are kept: reduced-rank regression, as in
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

# Places, drawn from all pictures, that a convolution is fitted at; and the ridge, of the mean variance.
_PLACES, _RIDGE = 40_000, 1e-3

#: The teacher's convolutions: what each gives before its ReLU, over its root mean square after it.
Responses = dict[str, Tensor]


@torch.no_grad()
def factorise(student: DreamNet, teacher: BvlcGoogLeNet, pictures: Tensor) -> None:
    """Make ``student`` (in place) do what ``teacher`` does on ``pictures`` (B, 3, H, W), all in fp32.

    Each of its channels becomes the teacher's, divided by that channel's root mean square.
    """
    wanted = _responses(teacher, pictures)
    hooks = []
    for name, part in student.trunk.named_modules():
        name = name.partition(".")[2]  # without the layer's
        theirs = _THEIRS.get(name, name)
        if isinstance(part, ThinConvolution):
            hooks.append(part.register_forward_pre_hook(partial(_fit, response=wanted[theirs])))
        elif isinstance(part, Inception):
            together = torch.cat([wanted[f"{theirs}.{branch}"] for branch in _SQUEEZED], 1)
            hooks.append(part.register_forward_pre_hook(partial(_fit_squeeze, response=together)))
    student(pictures)  # each part is fitted just before its turn
    for hook in hooks:
        hook.remove()


#: The student's names of convolutions, where the teacher has others.
_THEIRS = {"reduce": "conv2_reduce"}
#: The branches whose needs say how an inception's input is squeezed; the pooled one makes do with that.
_SQUEEZED = ("one", "reduce3", "reduce5")


def _responses(teacher: BvlcGoogLeNet, pictures: Tensor) -> Responses:
    found: Responses = {}

    def keep(part: ConvReLU, inputs: tuple[Tensor], output: Tensor, name: str) -> None:
        before = F.conv2d(inputs[0], part.weight, part.bias, part.stride, part.padding)
        found[name] = before / root_mean_square(output)

    hooks = [
        part.register_forward_hook(partial(keep, name=name))
        for name, part in teacher.stages.named_modules()
        if isinstance(part, ConvReLU)
    ]
    teacher(pictures, ["inception_4e"])
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
    """(inputs, rank), (rank, outputs) and a bias (outputs,): their product takes ``x`` to ``response``.

    The ``rank`` values in between have a mean square of 1. Without a rank there are as many as outputs.
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
        size.clamp_(min=float(1e-3 * size.max()))  # on few pictures some components are nothing
        first, second = first / size, second * size[:, None]
    return first, second, mean_b - mean_a @ first @ second


def _rows(convolution: nn.Conv2d, x: Tensor, response: Tensor) -> tuple[Tensor, Tensor]:
    """What ``convolution`` sees of ``x`` at some places, (N, values), and the ``response`` there, (N, C)."""
    seen, answers = [], []
    generator = torch.Generator().manual_seed(0)
    for picture, answer in zip(x, response, strict=True):
        columns = F.unfold(
            picture[None], convolution.kernel_size, 1, convolution.padding, convolution.stride
        )[0]
        places = torch.randperm(columns.shape[1], generator=generator)[: -(-_PLACES // len(x))].to(x.device)
        seen.append(columns[:, places].T)
        answers.append(answer.flatten(1)[:, places].T)
    return torch.cat(seen), torch.cat(answers)
