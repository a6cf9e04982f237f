"""Training with a teacher: each batch of photographs and dreams is a lesson in activations and gradients."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, DreamNet
from training.distil import (
    Scales,
    activation_errors,
    gradient_cosine,
    gradient_error,
    student_gradient,
    teach,
)
from training.dreams import MARGIN_PX, DreamPool
from training.factorising import factorise
from training.pictures import Pictures, crops
from training.trainer import Lesson, Recipe

# How often each layer's gradient is taught. The deeper the layer, the longer it takes to learn.
_LAYER_SHARES = {"edges": 0.15, "textures": 0.15, "patterns": 0.15, "parts": 0.25, "objects": 0.3}
# How many crops the teacher is thinned out on, and their size in pixels.
_THINNED_ON = (64, 192)


class Imitation:
    """A task whose lessons are what the teacher makes of each picture."""

    def __init__(
        self, teacher: BvlcGoogLeNet, pictures: Pictures, recipe: Recipe, device: str = "cpu"
    ) -> None:
        self.recipe = recipe
        self.device = torch.device(device)
        self.pictures = pictures
        self._rng = np.random.default_rng(recipe.seed)
        self._dtype = torch.bfloat16 if recipe.bf16 else torch.float32
        self.teacher = teacher.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self._pools = {
            layer: DreamPool(recipe.pool, recipe.crop_px, self._rng, self.device) for layer in _LAYER_SHARES
        }
        self.scales = self._measure_scales()

    def _fresh(self) -> Tensor:
        cut = crops(self.pictures.train, self._rng, self.recipe.batch, self.recipe.crop_px + MARGIN_PX)
        return torch.from_numpy(cut).to(self.device)

    def _measure_scales(self) -> Scales:
        batches = [teach(self.teacher, self._fresh().to(self._dtype), "edges").activations for _ in range(4)]
        return Scales({layer: torch.cat([b[layer] for b in batches]) for layer in LAYERS})

    def begin(self, student: DreamNet) -> None:
        """Make a fresh student a thinned teacher."""
        cut = crops(self.pictures.train, self._rng, *_THINNED_ON)
        factorise(student, copy.deepcopy(self.teacher).float(), torch.from_numpy(cut).to(self.device))

    def adopt(self, network: DreamNet) -> None:
        """Turn a finished network (in place) into a student, that predicts activation / scale."""
        self.scales.unfold(network)

    def finish(self, network: DreamNet) -> None:
        """Turn a student (in place) into a finished network, that predicts the teacher's activations."""
        self.scales.fold(network)

    def lesson(self, student: DreamNet) -> Lesson:
        """One batch. Metrics: ``error_<layer>`` for all, ``cosine_<layer>`` for the layer of this batch."""
        recipe = self.recipe
        layer = str(self._rng.choice(list(_LAYER_SHARES), p=list(_LAYER_SHARES.values())))
        pool = self._pools[layer]
        x, batch = pool.take(round(recipe.dream_share * recipe.batch), self._fresh())
        x = x.to(memory_format=torch.channels_last)
        taught = teach(self.teacher, x.to(self._dtype), layer)
        x.requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.bf16):
            outs = student(x)
        outs = {name: out.float() for name, out in outs.items()}
        ours = student_gradient(outs[layer], self.scales.of[layer], x, create_graph=True)
        errors = activation_errors(outs, taught, self.scales)
        cosine = gradient_cosine(ours.detach(), taught.gradient)
        loss = torch.stack(list(errors.values())).mean()
        loss = loss + recipe.gradient_weight * gradient_error(ours, taught.gradient)
        metrics = {f"error_{name}": float(error.detach()) for name, error in errors.items()}
        return Lesson(
            loss,
            metrics | {f"cosine_{layer}": float(cosine)},
            lambda: pool.give_back(batch, taught.gradient.float(), ours.detach()),
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the student."""
        return {"scales": self.scales.of}

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Take back what :meth:`state` gave; draw other crops than the run before ``steps`` began with."""
        self.scales.of = state["scales"]
        self._rng.bit_generator.state = np.random.default_rng([self.recipe.seed, steps]).bit_generator.state
