"""The training loop: batches of photographs and dreams, two losses, checkpoints that a later run resumes."""

from __future__ import annotations

import copy
import logging
import math
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.errors import NetworkError
from livedream.networks.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.dreamnet import LAYERS, DreamNet
from models.training.distil import (
    Scales,
    activation_errors,
    adopt_stem,
    gradient_cosine,
    gradient_error,
    student_gradient,
    teach,
)
from models.training.dreams import MARGIN_PX, DreamPool
from models.training.pictures import Pictures, crops

# How often each layer's gradient is taught. The deeper the layer, the longer it takes to learn.
_LAYER_SHARES = {"edges": 0.15, "textures": 0.15, "patterns": 0.15, "parts": 0.25, "objects": 0.3}
# One step that takes longer than this was a pause (a stopped process, a sleeping laptop): it does not count.
_LONGEST_STEP_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run; the defaults are what dreamnet was trained with."""

    batch: int = 12
    crop_px: int = 112
    dream_share: float = 0.6
    learning_rate: float = 2e-3
    warm_up_share: float = 0.03
    gradient_weight: float = 1.0
    weight_decay: float = 1e-2
    ema_decay: float = 0.998
    pool: int = 96
    bf16: bool = False
    seed: int = 0


class Trainer:
    """One run. ``step()`` trains on one batch; ``train()`` loops until the time is over or it is stopped."""

    def __init__(
        self,
        teacher: BvlcGoogLeNet,
        pictures: Pictures,
        minutes: float,
        recipe: Recipe | None = None,
        device: str = "cpu",
        student: DreamNet | None = None,
    ) -> None:
        self.recipe = recipe = Recipe() if recipe is None else recipe
        self.device = torch.device(device)
        self.pictures = pictures
        self.minutes = minutes
        self._rng = np.random.default_rng(recipe.seed)
        torch.manual_seed(recipe.seed)
        self._dtype = torch.bfloat16 if recipe.bf16 else torch.float32
        self.teacher = teacher.to(self.device, self._dtype).to(memory_format=torch.channels_last)
        self.student = (DreamNet() if student is None else student).to(self.device)
        self.student = self.student.to(memory_format=torch.channels_last)
        adopt_stem(self.student, self.teacher, self._fresh().to(self._dtype))
        self.ema = copy.deepcopy(self.student).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.student.parameters(), recipe.learning_rate, (0.9, 0.99), weight_decay=recipe.weight_decay
        )
        self._pools = {
            layer: DreamPool(recipe.pool, recipe.crop_px, self._rng, self.device) for layer in _LAYER_SHARES
        }
        self.steps = 0
        self.crops = 0
        self.elapsed_s = 0.0  # of this run; earlier runs are in total_s
        self.total_s = 0.0
        self.scales = self._measure_scales()

    def _fresh(self) -> Tensor:
        cut = crops(self.pictures.train, self._rng, self.recipe.batch, self.recipe.crop_px + MARGIN_PX)
        return torch.from_numpy(cut).to(self.device)

    def _measure_scales(self) -> Scales:
        batches = [teach(self.teacher, self._fresh().to(self._dtype), "edges").activations for _ in range(4)]
        return Scales({layer: torch.cat([b[layer] for b in batches]) for layer in LAYERS})

    def learning_rate(self) -> float:
        """Of the next step: a warm-up, then a cosine to nearly nothing at the end of this run's minutes."""
        done = min(1.0, self.elapsed_s / max(1e-9, self.minutes * 60))
        warm = self.recipe.warm_up_share
        factor = (done + 1e-3) / warm if done + 1e-3 < warm else 0.5 + 0.5 * math.cos(math.pi * done)
        return self.recipe.learning_rate * max(0.01, factor)

    def step(self) -> dict[str, float]:
        """One batch. Returns ``error_<layer>`` for all, ``cosine_<layer>`` for the layer of this batch."""
        start = time.monotonic()
        layer = str(self._rng.choice(list(_LAYER_SHARES), p=list(_LAYER_SHARES.values())))
        pool = self._pools[layer]
        x, batch = pool.take(round(self.recipe.dream_share * self.recipe.batch), self._fresh())
        x = x.to(memory_format=torch.channels_last)
        lesson = teach(self.teacher, x.to(self._dtype), layer)
        x.requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.bf16):
            outs = self.student(x)
        outs = {name: out.float() for name, out in outs.items()}
        ours = student_gradient(outs[layer], self.scales.of[layer], x, create_graph=True)
        errors = activation_errors(outs, lesson, self.scales)
        cosine = gradient_cosine(ours.detach(), lesson.gradient)
        loss = torch.stack(list(errors.values())).mean()
        loss = loss + self.recipe.gradient_weight * gradient_error(ours, lesson.gradient)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        if not torch.isfinite(norm):
            raise NetworkError(f"the training diverged at step {self.steps}: the loss is {float(loss)}")
        self.optimiser.step()
        self._average()
        pool.give_back(batch, lesson.gradient.float(), ours.detach())
        self.steps += 1
        self.crops += self.recipe.batch
        passed = min(_LONGEST_STEP_S, time.monotonic() - start)
        self.elapsed_s += passed
        self.total_s += passed
        metrics = {f"error_{name}": float(error.detach()) for name, error in errors.items()}
        return metrics | {f"cosine_{layer}": float(cosine)}

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.ema_decay, (1 + self.steps) / (10 + self.steps))
        for mean, value in zip(self.ema.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(value, 1.0 - decay)

    def folded(self) -> DreamNet:
        """The averaged weights as a finished network, on the CPU, that predicts the teacher's activations."""
        network = copy.deepcopy(self.ema).cpu().to(memory_format=torch.contiguous_format)
        self.scales.fold(network)
        return network

    def train(
        self, every_s: float, at_checkpoint: Callable[[], None], at_step: Callable[[dict[str, float]], None]
    ) -> None:
        """Train until the minutes are over; SIGTERM and SIGINT end it early and in order."""
        stop: list[int] = []
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, lambda n, _: stop.append(n)) for number in numbers}
        try:
            next_s = 0.0  # the first after one step: a folder that cannot be written shows at once
            while self.elapsed_s < self.minutes * 60 and not stop:
                at_step(self.step())
                if self.elapsed_s >= next_s:
                    next_s += every_s
                    at_checkpoint()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if stop:
            log.info("stopped by signal %d after %d steps", stop[0], self.steps)

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash in the middle leaves the one before."""
        state = {
            "student": self.student.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scales": self.scales.of,
            "counts": {"steps": self.steps, "crops": self.crops, "total_s": self.total_s},
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    @torch.no_grad()
    def start_from(self, network: DreamNet) -> None:
        """Begin with the weights of a finished network (on the CPU) instead of fresh ones."""
        network = copy.deepcopy(network)
        self.scales.unfold(network)
        for mine in (self.student, self.ema):
            mine.load_state_dict(network.state_dict())

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint: weights, optimiser, counts; the schedule starts anew, so it anneals again.

        Raises ``NetworkError`` for a file that is missing, damaged or of another shape of network.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            self.student.load_state_dict(state["student"])
            self.ema.load_state_dict(state["ema"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.scales.of = state["scales"]
            counts = state["counts"]
        except FileNotFoundError:
            raise NetworkError(f"no checkpoint at {path}; start without --resume first") from None
        except Exception as error:  # torch.load raises half a dozen kinds for a damaged file
            raise NetworkError(f"{path} cannot be resumed from: {error}") from error
        self.steps, self.crops, self.total_s = counts["steps"], counts["crops"], counts["total_s"]
        # Other crops than those that the earlier run began with.
        self._rng.bit_generator.state = np.random.default_rng(
            [self.recipe.seed, self.steps]
        ).bit_generator.state
