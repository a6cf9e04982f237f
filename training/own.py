"""Training without a teacher: a network learns from an artist's own pictures what to dream.

What a dream raises is the *strength* of a layer, its mean squared activation. So strength is what is taught:

* **pictures against spoilt copies and dreams** (needs no labels): the logarithm of a layer's strength shall
  be higher for pictures than for their spoilt copies, and than for what the network dreams on those. To
  follow it uphill then means to put back what makes the pictures what they are. It is an energy-based model
  with short-run ascent: Du and Mordatch, "Implicit generation and modeling with energy-based models" (2019).
* **labels**: the channels of each layer are dealt out to the classes in turns, and the class whose channels
  are strongest is the answer. Over all classes that is the layer's strength again, so one number says what a
  picture shows and whether it is one (Grathwohl et al., "Your classifier is secretly an energy based model",
  2020), and a dream of one class's channels is a dream of that class. Half of the pictures have taken a
  step against their own answer, which the loss's gradient gives for free: gradients of networks that
  withstand this look like things.
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
from training.distil import root_mean_square
from training.dreams import MARGIN_PX, DreamPool
from training.pictures import Pictures, crops
from training.trainer import Lesson, Recipe

#: Fewer pictures are learnt by heart.
FEWEST_PICTURES, FEWEST_PER_CLASS = 20, 5
# How often a layer's strength is taught. The deeper the layer, the longer it takes to learn.
_LAYER_SHARES = {"edges": 0.15, "textures": 0.15, "patterns": 0.15, "parts": 0.25, "objects": 0.3}
#: edges see too little of a picture to name it.
LABELLED_LAYERS = ("textures", "patterns", "parts", "objects")
# How much certainty a difference in strength stands for: a factor of 1.3 is odds of 3 to 1.
_SHARPNESS = 4.0
_STRENGTH_WEIGHT, _DRIFT_WEIGHT = 0.5, 0.05
# Of 255, root mean square. With 1 to 6 the classes are learnt later and dreamt more faintly.
_ADVERSARY_LEVELS = (0.3, 2.0)
_MEASURED, _TINY = 96, 1e-6


@dataclass(frozen=True)
class Classes:
    """``names`` in order, and the class number of each picture."""

    names: tuple[str, ...]
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


def classes_of(pictures: Pictures, source: str) -> Classes:
    """The folders of ``pictures`` as classes; ``source`` is for the error messages.

    Raises ``SourceError`` for one class only, for too many, and for a class of too few pictures.
    """
    folders = np.array(pictures.train_folders)
    names, counts = np.unique(folders, return_counts=True)
    listed = list(zip(names.tolist(), counts.tolist(), strict=True))
    found = ", ".join(
        f"{name or 'no folder'} ({count})" for name, count in sorted(listed, key=lambda c: c[1])[:8]
    )
    most = LAYERS[LABELLED_LAYERS[0]][0]
    if not 2 <= len(names) <= most:
        raise SourceError(
            f"classes in {source}: found {len(names)}, {found}; --labels takes each folder as a class "
            f"and needs 2 to {most}; pictures without labels: --self-supervised"
        )
    if counts.min() < FEWEST_PER_CLASS:
        raise SourceError(
            f"too few pictures of a class in {source}: {found}; at least {FEWEST_PER_CLASS} are needed, "
            f"beside those held out"
        )
    numbers = {name: i for i, name in enumerate(names.tolist())}
    train, held_out = (
        np.array([numbers.get(name, -1) for name in part], np.int64)
        for part in (pictures.train_folders, pictures.held_out_folders)
    )
    return Classes(tuple(numbers), train, held_out)


def strength(activation: Tensor) -> Tensor:
    """Logarithm of the mean squared activation of (B, C, H, W), as (B,): what a dream raises."""
    return (activation.float().square().mean((1, 2, 3)) + _TINY).log()


def class_strengths(activation: Tensor, count: int) -> Tensor:
    """:func:`strength` of each class's channels of (B, C, H, W), as (B, count).

    Those of class ``k`` are ``k``, ``k + count``, ``k + 2 * count``, …
    """
    squares = activation.float().square().mean((2, 3))
    return (torch.stack([squares[:, k::count].mean(1) for k in range(count)], 1) + _TINY).log()


class OwnPictures:
    """A task without a teacher: pictures, and what each shows if ``classes`` are given."""

    def __init__(
        self, pictures: Pictures, recipe: Recipe, classes: Classes | None = None, device: str = "cpu"
    ) -> None:
        if len(pictures.train) < FEWEST_PICTURES:
            raise SourceError(
                f"found {len(pictures.train)} pictures to train on; at least {FEWEST_PICTURES} are needed, "
                f"a few hundred are good"
            )
        self.recipe, self.pictures, self.classes = recipe, pictures, classes
        self.device = torch.device(device)
        self._rng = np.random.default_rng(recipe.seed)
        self._pools = {
            layer: DreamPool(recipe.pool, recipe.crop_px, self._rng, self.device) for layer in _LAYER_SHARES
        }
        self._against: tuple[Tensor, NDArray[np.int64]] | None = None

    def _cut(self, count: int, size_px: int) -> tuple[Tensor, NDArray[np.int64]]:
        which = self._rng.integers(len(self.pictures.train), size=count)
        cut = crops(self.pictures.train, self._rng, count, size_px, which)
        return torch.from_numpy(cut).to(self.device), which

    @torch.no_grad()
    def begin(self, student: DreamNet) -> None:
        """Scale what ``student`` gives so that each channel's mean square is about 1."""
        x, _ = self._cut(_MEASURED, self.recipe.crop_px)
        for layer, a in student(x.to(student.scales["edges"].scale.device)).items():
            student.scales[layer].scale.div_(root_mean_square(a))

    adopt = begin

    def finish(self, network: DreamNet) -> None:
        """A student is a finished network already."""

    def lesson(self, student: DreamNet) -> Lesson:
        """One batch. Metrics: ``loss_spoilt`` of one layer and, with classes, the mean ``loss_label``."""
        recipe, rng = self.recipe, self._rng
        layer = str(rng.choice(list(_LAYER_SHARES), p=list(_LAYER_SHARES.values())))
        x, which = self._cut(recipe.batch, recipe.crop_px)
        if self._against is not None:
            turned, turned_which = self._against
            x[: len(turned)], which[: len(turned)] = turned, turned_which
        pool = self._pools[layer]
        models, _ = self._cut(recipe.batch, recipe.crop_px + MARGIN_PX)
        worse, batch = pool.take(round(recipe.dream_share * recipe.batch), corrupt(models, rng))
        both = torch.cat((x, worse)).to(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.bf16):
            outs = student(both)
        good, bad = strength(outs[layer]).chunk(2)
        spoilt = F.softplus(_SHARPNESS * (bad[:, None] - good[None])).mean()
        loss = _STRENGTH_WEIGHT * spoilt + _DRIFT_WEIGHT * good.mean().square()
        metrics = {"loss_spoilt": float(spoilt.detach())}
        if self.classes is not None:
            shown = torch.from_numpy(self.classes.train[which]).to(self.device)
            count = len(self.classes.names)
            answers = [class_strengths(outs[name][: recipe.batch], count) for name in LABELLED_LAYERS]
            label = torch.stack([F.cross_entropy(_SHARPNESS * answer, shown) for answer in answers]).mean()
            loss = loss + label
            metrics["loss_label"] = float(label.detach())

        def after() -> None:
            assert both.grad is not None
            ours, theirs = both.grad.chunk(2)
            # The loss falls with the strength of pictures and rises with that of dreams.
            pool.give_back(batch, theirs.float(), theirs.float())
            if self.classes is not None:
                half = slice(recipe.batch - recipe.batch // 2, None)
                step = ours[half] / (ours[half].square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-12)
                size = rng.uniform(*_ADVERSARY_LEVELS) / 255.0
                self._against = ((x[half] + size * step).clamp(0.0, 1.0), which[half])

        return Lesson(loss, metrics, after)

    @torch.no_grad()
    def measure(self, network: DreamNet) -> dict[str, float]:
        """On held-out pictures: ``held_out_spoilt_<layer>``, how often a picture beats its spoilt copy, and
        with classes ``held_out_accuracy_<layer>``. Chance is 0.5, and one over the number of classes."""
        rng = np.random.default_rng(0)
        which = np.resize(np.arange(len(self.pictures.held_out)), _MEASURED)
        x = torch.from_numpy(crops(self.pictures.held_out, rng, _MEASURED, self.recipe.crop_px, which))
        good, bad = network(x), network(corrupt(x, rng))
        metrics = {
            f"held_out_spoilt_{layer}": float((strength(good[layer]) > strength(bad[layer])).float().mean())
            for layer in LAYERS
        }
        if self.classes is not None:
            shown = torch.from_numpy(self.classes.held_out[which])
            for layer in LABELLED_LAYERS:
                answers = class_strengths(good[layer], len(self.classes.names)).argmax(1)
                metrics[f"held_out_accuracy_{layer}"] = float((answers == shown).float().mean())
        return metrics

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the student."""
        return {"classes": [] if self.classes is None else list(self.classes.names)}

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Check what :meth:`state` gave, and draw other crops than the run before ``steps`` began with."""
        ours, theirs = self.state()["classes"], state.get("classes")
        if ours != theirs:
            raise NetworkError(f"the checkpoint was trained with the classes {theirs}, asked for were {ours}")
        self._rng.bit_generator.state = np.random.default_rng([self.recipe.seed, steps]).bit_generator.state
