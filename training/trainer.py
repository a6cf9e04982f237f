"""The training loop: lessons of a task, averaged weights, checkpoints that a later run resumes."""

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
from typing import Any, Protocol

import torch
from torch import Tensor

from livedream.errors import LivedreamError, NetworkError
from livedream.networks.architectures.dreamnet import DreamNet

# One step that takes longer than this was a pause (a stopped process, a sleeping laptop): it does not count.
_LONGEST_STEP_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run."""

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


@dataclass(frozen=True)
class Lesson:
    """One batch: its ``loss``, what to note of it, and what is to be done ``after`` the step."""

    loss: Tensor
    metrics: dict[str, float]
    after: Callable[[], None]


class TrainingTask(Protocol):
    """What a student learns from: a teacher (``imitation.py``), or pictures alone (``own.py``)."""

    def begin(self, student: DreamNet) -> None:
        """Prepare a fresh student, in place."""

    def adopt(self, network: DreamNet) -> None:
        """Turn a finished network into a student, in place."""

    def finish(self, network: DreamNet) -> None:
        """Turn a student into a finished network, in place."""

    def lesson(self, student: DreamNet) -> Lesson:
        """The next batch."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the student."""

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Take back what :meth:`state` gave, after ``steps`` steps."""


class Trainer:
    """One run. ``step()`` trains on one batch; ``train()`` loops until the time is over or it is stopped."""

    def __init__(
        self,
        task: TrainingTask,
        minutes: float,
        recipe: Recipe | None = None,
        device: str = "cpu",
        student: DreamNet | None = None,
    ) -> None:
        self.recipe = recipe = Recipe() if recipe is None else recipe
        self.device = torch.device(device)
        self.task = task
        self.minutes = minutes
        torch.manual_seed(recipe.seed)
        self.student = (DreamNet() if student is None else student).to(self.device)
        self.student = self.student.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.student).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            self.student.parameters(), recipe.learning_rate, (0.9, 0.99), weight_decay=recipe.weight_decay
        )
        self.steps = 0
        self.crops = 0
        self.elapsed_s = 0.0  # of this run; earlier runs are in total_s
        self.total_s = 0.0

    def begin(self) -> None:
        """Prepare the fresh student as its task does it, if it is not to start from another network."""
        self.task.begin(self.student)
        self.ema.load_state_dict(self.student.state_dict())

    def learning_rate(self) -> float:
        """Of the next step: a warm-up, then a cosine to nearly nothing at the end of this run's minutes."""
        done = min(1.0, self.elapsed_s / max(1e-9, self.minutes * 60))
        warm = self.recipe.warm_up_share
        factor = (done + 1e-3) / warm if done + 1e-3 < warm else 0.5 + 0.5 * math.cos(math.pi * done)
        return self.recipe.learning_rate * max(0.01, factor)

    def step(self) -> dict[str, float]:
        """One batch. Returns the lesson's metrics."""
        start = time.monotonic()
        lesson = self.task.lesson(self.student)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        lesson.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        if not torch.isfinite(norm):
            loss = float(lesson.loss.detach())
            raise NetworkError(f"the training diverged at step {self.steps}: the loss is {loss}")
        self.optimiser.step()
        self._average()
        lesson.after()
        self.steps += 1
        self.crops += self.recipe.batch
        passed = min(_LONGEST_STEP_S, time.monotonic() - start)
        self.elapsed_s += passed
        self.total_s += passed
        return lesson.metrics

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.ema_decay, (1 + self.steps) / (10 + self.steps))
        for mean, value in zip(self.ema.parameters(), self.student.parameters(), strict=True):
            mean.lerp_(value, 1.0 - decay)

    def folded(self) -> DreamNet:
        """The averaged weights as a finished network, on the CPU."""
        network = copy.deepcopy(self.ema).cpu().to(memory_format=torch.contiguous_format)
        self.task.finish(network)
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
            **self.task.state(),
            "counts": {"steps": self.steps, "crops": self.crops, "total_s": self.total_s},
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    @torch.no_grad()
    def start_from(self, network: DreamNet) -> None:
        """Begin with the weights of a finished network (on the CPU) instead of fresh ones."""
        network = copy.deepcopy(network)
        self.task.adopt(network)
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
            counts = state["counts"]
            self.task.restore(state, counts["steps"])
        except FileNotFoundError:
            raise NetworkError(f"no checkpoint at {path}; start without --resume first") from None
        except LivedreamError:
            raise
        except Exception as error:  # torch.load raises half a dozen kinds for a damaged file
            raise NetworkError(f"{path} cannot be resumed from: {error}") from error
        self.steps, self.crops, self.total_s = counts["steps"], counts["crops"], counts["total_s"]
