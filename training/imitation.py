"""Training with a teacher: the student imitates its activations and gradients on photographs and dreams."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from training.dataset import Dataset, crops
from training.distil import (
    Scales,
    activation_errors,
    gradient_cosine,
    gradient_error,
    student_gradient,
    teacher_targets,
)
from training.dreams import MARGIN_PX, DreamPool
from training.factorise import factorise
from training.trainer import Batch, Recipe

# How often each layer's gradient is in the loss: the deeper the layer, the longer it takes to learn.
_LAYER_PROBABILITIES = {"edges": 0.15, "textures": 0.15, "patterns": 0.15, "parts": 0.25, "objects": 0.3}
# Number of crops for the initial factorisation, and their size in pixels.
_FACTORISED_ON = (64, 192)


class Imitation:
    """The task of imitating a teacher."""

    def __init__(self, teacher: BvlcGoogLeNet, dataset: Dataset, recipe: Recipe, device: str = "cpu") -> None:
        self.recipe = recipe
        self.device = torch.device(device)
        self.dataset = dataset
        self._rng = np.random.default_rng(recipe.seed)
        self._dtype = torch.bfloat16 if recipe.bf16 else torch.float32
        self.teacher = teacher.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self._pools = {
            layer: DreamPool(recipe.pool, recipe.crop_px, self._rng, self.device)
            for layer in _LAYER_PROBABILITIES
        }
        self.scales = self._measure_scales()

    def _fresh(self) -> Tensor:
        cut = crops(self.dataset.train, self._rng, self.recipe.batch, self.recipe.crop_px + MARGIN_PX)
        return torch.from_numpy(cut).to(self.device)

    def _measure_scales(self) -> Scales:
        batches = [
            teacher_targets(self.teacher, self._fresh().to(self._dtype), "edges").activations
            for _ in range(4)
        ]
        return Scales({layer: torch.cat([b[layer] for b in batches]) for layer in LAYERS})

    def begin(self, student: DreamNet) -> None:
        """Initialise a fresh student with the factorised teacher."""
        cut = crops(self.dataset.train, self._rng, *_FACTORISED_ON)
        factorise(student, copy.deepcopy(self.teacher).float(), torch.from_numpy(cut).to(self.device))

    def adopt(self, network: DreamNet) -> None:
        """Turn a finished network (in place) into a student, which predicts activation / scale."""
        self.scales.unfold(network)

    def finish(self, network: DreamNet) -> None:
        """Turn a student (in place) into a finished network, which predicts the teacher's activations."""
        self.scales.fold(network)

    def next_batch(self, student: DreamNet) -> Batch:
        """Metrics: ``error_<layer>`` for all layers, ``cosine_<layer>`` for the layer of this batch."""
        recipe = self.recipe
        layer = str(self._rng.choice(list(_LAYER_PROBABILITIES), p=list(_LAYER_PROBABILITIES.values())))
        pool = self._pools[layer]
        x, dreams = pool.take(round(recipe.dream_fraction * recipe.batch), self._fresh())
        x = x.to(memory_format=torch.channels_last)
        targets = teacher_targets(self.teacher, x.to(self._dtype), layer)
        x.requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.bf16):
            outs = student(x)
        outs = {name: out.float() for name, out in outs.items()}
        ours = student_gradient(outs[layer], self.scales.of[layer], x, create_graph=True)
        errors = activation_errors(outs, targets, self.scales)
        cosine = gradient_cosine(ours.detach(), targets.gradient)
        loss = torch.stack(list(errors.values())).mean()
        loss = loss + recipe.gradient_weight * gradient_error(ours, targets.gradient)
        metrics = {f"error_{name}": float(error.detach()) for name, error in errors.items()}
        return Batch(
            loss,
            metrics | {f"cosine_{layer}": float(cosine)},
            lambda: pool.give_back(dreams, targets.gradient.float(), ours.detach()),
        )

    def state(self) -> dict[str, Any]:
        """The task's part of a checkpoint."""
        return {"scales": self.scales.of}

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Restore the result of :meth:`state`, and draw other crops than an earlier run did."""
        self.scales.of = state["scales"]
        self._rng.bit_generator.state = np.random.default_rng([self.recipe.seed, steps]).bit_generator.state
