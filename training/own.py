"""Training without a teacher: a network learns to dream from an artist's own images.

A dream maximises the *strength* of a layer, its mean squared activation. So strength is what is trained:

* **images against corrupted copies and dreams** (without labels): the log strength of a layer should be
  higher for images than for their corrupted copies, and than for the network's dreams on those. Ascending it
  then restores what the corruption destroyed. This is an energy-based model with short-run ascent: Du and
  Mordatch, "Implicit generation and modeling with energy-based models" (2019).
* **labels**: the channels of each layer are assigned to the classes in turn, and the class with the strongest
  channels is the prediction. The sum over all classes is the strength of the layer again, so the same
  activations tell what an image shows and whether it is an image at all (Grathwohl et al., "Your classifier
  is secretly an energy based model", 2020), and dreaming with the channels of one class dreams of that class.
  Half of the images have taken an adversarial step along the loss's gradient, which comes for free: the
  gradients of robust networks look like objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from livedream.errors import NetworkError, SourceError
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from training.corruption import corrupt
from training.dataset import Dataset, crops
from training.distil import root_mean_square, scale_of
from training.dreams import MARGIN_PX, DreamPool
from training.trainer import Batch, Recipe

#: With fewer images the network memorises them.
MIN_IMAGES, MIN_PER_CLASS = 20, 5
# How often each layer's strength is in the loss: the deeper the layer, the longer it takes to learn.
_LAYER_PROBABILITIES = {"edges": 0.15, "textures": 0.15, "patterns": 0.15, "parts": 0.25, "objects": 0.3}
#: The receptive field of edges is too small to tell classes apart.
LABELLED_LAYERS = ("textures", "patterns", "parts", "objects")
# Logits per unit of log strength: a strength 1.3 times as high means odds of 3 to 1.
_SHARPNESS = 4.0
_STRENGTH_WEIGHT, _DRIFT_WEIGHT = 0.5, 0.05
# Adversarial step, root mean square, of 255. With 1 to 6 classes are learnt later and dreams are fainter.
_ADVERSARY_LEVELS = (0.3, 2.0)
_EVALUATED, _EPSILON = 96, 1e-6


@dataclass(frozen=True)
class Classes:
    """The ordered ``names``, and the class index of each image."""

    names: tuple[str, ...]
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


def classes_of(dataset: Dataset, source: str) -> Classes:
    """The folders of ``dataset`` as classes; ``source`` is for error messages.

    Raises ``SourceError`` for fewer than two classes, for too many, and for a class of too few images.
    """
    folders = np.array(dataset.train_folders)
    names, counts = np.unique(folders, return_counts=True)
    listed = list(zip(names.tolist(), counts.tolist(), strict=True))
    found = ", ".join(
        f"{name or 'no folder'} ({count})" for name, count in sorted(listed, key=lambda c: c[1])[:8]
    )
    most = LAYERS[LABELLED_LAYERS[0]][0]
    if not 2 <= len(names) <= most:
        raise SourceError(
            f"classes in {source}: found {len(names)}, {found}; --labels takes each folder as a class "
            f"and needs 2 to {most}; for images without labels: --self-supervised"
        )
    if counts.min() < MIN_PER_CLASS:
        raise SourceError(
            f"too few images in a class in {source}: found {found}; expected at least {MIN_PER_CLASS}, "
            f"not counting those held out"
        )
    numbers = {name: i for i, name in enumerate(names.tolist())}
    train, held_out = (
        np.array([numbers.get(name, -1) for name in part], np.int64)
        for part in (dataset.train_folders, dataset.held_out_folders)
    )
    return Classes(tuple(numbers), train, held_out)


def strength(activation: Tensor) -> Tensor:
    """Log of the mean squared activation of (B, C, H, W), as (B,): what a dream maximises."""
    return (activation.float().square().mean((1, 2, 3)) + _EPSILON).log()


def class_strengths(activation: Tensor, count: int) -> Tensor:
    """:func:`strength` of each class's channels of (B, C, H, W), as (B, count).

    Class ``k`` has the channels ``k``, ``k + count``, ``k + 2 * count``, …
    """
    squares = activation.float().square().mean((2, 3))
    return (torch.stack([squares[:, k::count].mean(1) for k in range(count)], 1) + _EPSILON).log()


class OwnImages:
    """The task of learning from images alone, or with ``classes`` from labelled images."""

    def __init__(
        self, dataset: Dataset, recipe: Recipe, classes: Classes | None = None, device: str = "cpu"
    ) -> None:
        if len(dataset.train) < MIN_IMAGES:
            raise SourceError(
                f"found {len(dataset.train)} images to train on; expected at least {MIN_IMAGES}, "
                f"better a few hundred"
            )
        self.recipe, self.dataset, self.classes = recipe, dataset, classes
        self.device = torch.device(device)
        self._rng = np.random.default_rng(recipe.seed)
        self._pools = {
            layer: DreamPool(recipe.pool, recipe.crop_px, self._rng, self.device)
            for layer in _LAYER_PROBABILITIES
        }
        self._adversarial: tuple[Tensor, NDArray[np.int64]] | None = None

    def _cut(self, count: int, size_px: int) -> tuple[Tensor, NDArray[np.int64]]:
        which = self._rng.integers(len(self.dataset.train), size=count)
        cut = crops(self.dataset.train, self._rng, count, size_px, which)
        return torch.from_numpy(cut).to(self.device), which

    @torch.no_grad()
    def begin(self, student: DreamNet) -> None:
        """Scale the outputs of ``student`` so that the mean square of each channel is about 1."""
        x, _ = self._cut(_EVALUATED, self.recipe.crop_px)
        for layer, a in student(x.to(next(student.parameters()).device)).items():
            scale_of(student, layer).div_(root_mean_square(a))

    adopt = begin

    def finish(self, network: DreamNet) -> None:
        """Nothing to do: the student is a finished network."""

    def next_batch(self, student: DreamNet) -> Batch:
        """Metrics: ``loss_corrupted`` of one layer and, with classes, the mean ``loss_label``."""
        recipe, rng = self.recipe, self._rng
        layer = str(rng.choice(list(_LAYER_PROBABILITIES), p=list(_LAYER_PROBABILITIES.values())))
        x, which = self._cut(recipe.batch, recipe.crop_px)
        if self._adversarial is not None:
            adversarial, indices = self._adversarial
            x[: len(adversarial)], which[: len(adversarial)] = adversarial, indices
        pool = self._pools[layer]
        models, _ = self._cut(recipe.batch, recipe.crop_px + MARGIN_PX)
        worse, dreams = pool.take(round(recipe.dream_fraction * recipe.batch), corrupt(models, rng))
        both = torch.cat((x, worse)).to(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.bf16):
            outs = student(both)
        good, bad = strength(outs[layer]).chunk(2)
        corrupted = F.softplus(_SHARPNESS * (bad[:, None] - good[None])).mean()
        loss = _STRENGTH_WEIGHT * corrupted + _DRIFT_WEIGHT * good.mean().square()
        metrics = {"loss_corrupted": float(corrupted.detach())}
        if self.classes is not None:
            labels = torch.from_numpy(self.classes.train[which]).to(self.device)
            count = len(self.classes.names)
            answers = [class_strengths(outs[name][: recipe.batch], count) for name in LABELLED_LAYERS]
            label = torch.stack([F.cross_entropy(_SHARPNESS * logits, labels) for logits in answers]).mean()
            loss = loss + label
            metrics["loss_label"] = float(label.detach())

        def after() -> None:
            assert both.grad is not None
            ours, theirs = both.grad.chunk(2)
            # The loss decreases with the strength of images and increases with that of dreams.
            pool.give_back(dreams, theirs.float(), theirs.float())
            if self.classes is not None:
                half = slice(recipe.batch - recipe.batch // 2, None)
                step = ours[half] / (ours[half].square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-12)
                size = rng.uniform(*_ADVERSARY_LEVELS) / 255.0
                self._adversarial = ((x[half] + size * step).clamp(0.0, 1.0), which[half])

        return Batch(loss, metrics, after)

    @torch.no_grad()
    def measure(self, network: DreamNet) -> dict[str, float]:
        """Metrics on held-out images.

        ``held_out_corrupted_<layer>``: how often an image is stronger than its corrupted copy (chance: 0.5).
        With classes, ``held_out_accuracy_<layer>``: accuracy (chance: one over the number of classes).
        """
        rng = np.random.default_rng(0)
        which = np.resize(np.arange(len(self.dataset.held_out)), _EVALUATED)
        x = torch.from_numpy(crops(self.dataset.held_out, rng, _EVALUATED, self.recipe.crop_px, which))
        good, bad = network(x), network(corrupt(x, rng))
        metrics = {
            f"held_out_corrupted_{layer}": float(
                (strength(good[layer]) > strength(bad[layer])).float().mean()
            )
            for layer in LAYERS
        }
        if self.classes is not None:
            labels = torch.from_numpy(self.classes.held_out[which])
            for layer in LABELLED_LAYERS:
                predictions = class_strengths(good[layer], len(self.classes.names)).argmax(1)
                metrics[f"held_out_accuracy_{layer}"] = float((predictions == labels).float().mean())
        return metrics

    def state(self) -> dict[str, Any]:
        """The task's part of a checkpoint."""
        return {"classes": [] if self.classes is None else list(self.classes.names)}

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Check the result of :meth:`state`, and draw other crops than an earlier run did."""
        ours, theirs = self.state()["classes"], state.get("classes")
        if ours != theirs:
            raise NetworkError(f"the checkpoint has the classes {theirs}; expected {ours}")
        self._rng.bit_generator.state = np.random.default_rng([self.recipe.seed, steps]).bit_generator.state
