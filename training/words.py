"""Makes the shipped tables of words: ``python -m training.words --pictures DIR … --out models/words``.

The table from photographs (:mod:`livedream.networks.word_making`) is where it starts. Then each word is
dreamt on photographs, again and again, and what the classifier would still need to be surer is added: the
gradient of the logarithm of the word's probability, which also lowers whatever the word is confused with. A
family's probability is that of all its classes. A round takes hours on a processor, seconds on a GPU.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from livedream.curves import decay
from livedream.dream.ascent import even_shift, octave_size
from livedream.dream.feedback import NOVELTY_S, UNLEARN_S
from livedream.dream.shaping import LEVELS
from livedream.frame import Array
from livedream.networks.catalogue import network_info
from livedream.networks.judge import SIDE_PX, Judge, probability
from livedream.networks.load import load_network
from livedream.networks.word_making import (
    Pictures,
    class_rows,
    look,
    read_pictures,
    write_table,
)
from livedream.networks.words import vocabulary
from livedream.settings import Settings

log = logging.getLogger(__name__)

#: The network that dreams, and those that the tables are for, whose channels mean the same.
_DREAMER, _NETWORKS = "dreamnet", ("dreamnet", "bvlc_googlenet")
#: Dreams are made at this size, for this many ticks of 1/30 s.
_SIDE_PX, _TICKS, _TICK_S = 192, 30, 1 / 30
_BATCH = 250
#: What is kept of a word from round to round, once it has had a few to take shape.
_KEPT, _SHAPED = 0.93, 4


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the tables as the arguments say."""
    parser = argparse.ArgumentParser("python -m training.words", description=__doc__)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=30, help="dreams of each word at each layer (30)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for NETWORK.npz")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    pictures, judge = read_pictures(options.pictures), Judge(_DREAMER)
    logits, activities = look(_DREAMER, judge, pictures, log.debug)
    rows = class_rows(judge, pictures, logits, log.debug)
    refined = {layer: refine(layer, judge, pictures, found, options.rounds) for layer, found in rows.items()}
    for network in _NETWORKS:
        if network != _DREAMER:
            logits, activities = look(network, Judge(network), pictures, log.debug)
        names = dict(zip(rows, (network_info(network).layer(layer).name for layer in rows), strict=True))
        words = {names[layer]: found[:1000] for layer, found in refined.items()}
        families = {
            names[layer]: dict(zip(_families(), found[1000:], strict=True))
            for layer, found in refined.items()
        }
        path = options.out / f"{network}.npz"
        write_table(path, words, activities, logits, pictures.folders, families)
        log.info("wrote %s", path)


def _families() -> dict[str, tuple[int, ...]]:
    return {name: classes for name, classes in vocabulary().families.items() if classes}


def refine(layer: str, judge: Judge, pictures: Pictures, rows: Array, rounds: int) -> Array:
    """``rows`` (1000, C) of one layer after ``rounds`` of dreams, followed by those of the families."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    judge.to(device)
    network = load_network(_DREAMER).truncate(layer).to(device)
    members = [(n,) for n in range(1000)] + list(_families().values())
    start = torch.from_numpy(np.stack([rows[list(classes)].mean(0) for classes in members])).to(device)
    total, rng = _unit(start), np.random.default_rng(1)
    for number in range(rounds):
        found, sure = torch.zeros_like(total), 0.0
        for at in range(0, len(members), _BATCH):
            here = slice(at, at + _BATCH)
            which = rng.integers(0, len(pictures.folders), len(members[here])).tolist()
            images = interpolate(pictures.batch(which).to(device), (_SIDE_PX, _SIDE_PX), mode="area")
            dreamt = dream(network, images, _unit(total[here]), int(rng.integers(1 << 20)))
            dreamt = interpolate(dreamt, (SIDE_PX, SIDE_PX), mode="bicubic").clamp(0, 1)
            values, gradients = judge.gradients(dreamt, probability(members[here]))
            found[here] = _unit(gradients[layer])
            sure += float(values.sum()) / len(members)
        log.info("%s, round %d: mean log probability %.2f", layer, number, sure)
        total = total * (_KEPT if number >= _SHAPED else 1.0) + found
    return np.asarray(_unit(total).cpu().numpy(), np.float32)


def dream(network: nn.Module, images: Tensor, weights: Tensor, seed: int) -> Tensor:
    """The live dream of words on a batch of still images, in short: (B, 3, H, W) in [0, 1] to the same.

    ``weights`` (B, C) multiply the channels of what ``network`` gives, whose sum is raised. The same steps as
    :class:`livedream.dream.dreamer.Dreamer` makes, but for its bounds and its order of octaves.
    """
    settings = Settings()
    height, width = images.shape[-2:]
    sizes = [octave_size(height, width, n, settings.octave_scale) for n in range(settings.octaves)]
    mean_side = sum(size[0] for size in sizes) / len(sizes)
    start, turns = np.random.default_rng(seed).random(2), [0] * len(sizes)
    residual, momentum = torch.zeros_like(images), torch.zeros_like(images)
    step_s = _TICK_S / settings.steps
    for number in range(_TICKS * settings.steps):
        novelty = decay(NOVELTY_S, number * step_s)
        octave = number % (2 if novelty > 0.35 else len(sizes))
        rows, columns = even_shift(settings.jitter, turns[octave], (float(start[0]), float(start[1])))
        turns[octave] += 1
        x = interpolate(images + residual, sizes[octave], mode="area").roll((rows, columns), (2, 3))
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            raised = (weights[..., None, None] * network(x)).sum()
        (gradient,) = torch.autograd.grad(raised, x)
        direction = _balanced(gradient.roll((-rows, -columns), (2, 3)), LEVELS)
        direction = direction / direction.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
        direction = _enlarged(direction * (sizes[octave][0] / mean_side), (height, width))
        kept = (1 - novelty**2) ** (step_s / UNLEARN_S) * decay(settings.momentum_s, step_s)
        momentum = torch.lerp(direction, momentum, kept)
        length = settings.step_size / 255 * (1 + (settings.attack - 1) * novelty)
        residual = residual * decay(settings.persistence_s, step_s) + length * momentum
        residual = (images + residual).clamp(0, 1) - images
    return images + residual


def _unit(rows: Tensor) -> Tensor:
    """Each row of (B, C) with sizes that sum to 1."""
    return rows / rows.abs().sum(1, keepdim=True).clamp_min(1e-12)


def _balanced(x: Tensor, levels: int) -> Tensor:
    """Each octave of frequencies of (B, 3, h, w) with the same energy, for each image."""
    height, width = x.shape[-2:]
    if levels == 0 or min(height, width) < 8:
        return x / x.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
    low = interpolate(x, ((height + 1) // 2, (width + 1) // 2), mode="area")
    return _balanced(x - _enlarged(low, (height, width)), 0) + _enlarged(
        _balanced(low, levels - 1), (height, width)
    )


def _enlarged(x: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(x, size, mode="bilinear", align_corners=False)


if __name__ == "__main__":
    main()
