"""The training loop: batches of a task, averaged weights, checkpoints from which a later run resumes."""

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

# A step that took longer than this was paused (a stopped process, a sleeping laptop) and counts as this long.
_MAX_STEP_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a training run."""

    batch: int = 12
    crop_px: int = 112
    dream_fraction: float = 0.6
    learning_rate: float = 2e-3
    warm_up_fraction: float = 0.03
    gradient_weight: float = 1.0
    weight_decay: float = 1e-2
    ema_decay: float = 0.998
    pool: int = 96
    bf16: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """One batch: its ``loss``, its ``metrics``, and what to do ``after`` the optimiser step."""

    loss: Tensor
    metrics: dict[str, float]
    after: Callable[[], None]


class TrainingTask(Protocol):
    """What a student learns: to imitate a teacher (``imitation.py``), or from images alone (``own.py``)."""

    def begin(self, student: DreamNet) -> None:
        """Prepare a fresh student, in place."""

    def adopt(self, network: DreamNet) -> None:
        """Turn a finished network into a student, in place."""

    def finish(self, network: DreamNet) -> None:
        """Turn a student into a finished network, in place."""

    def next_batch(self, student: DreamNet) -> Batch:
        """The next batch."""

    def state(self) -> dict[str, Any]:
        """The task's part of a checkpoint."""

    def restore(self, state: dict[str, Any], steps: int) -> None:
        """Restore the result of :meth:`state`, after ``steps`` steps."""


class Trainer:
    """One run. ``step()`` trains on one batch; ``train()`` loops until the time is up or a signal arrives."""

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
        """Let the task initialise the student; call it unless the run resumes or starts from a network."""
        self.task.begin(self.student)
        self.ema.load_state_dict(self.student.state_dict())

    def learning_rate(self) -> float:
        """The learning rate of the next step: a warm-up, then a cosine down to 1 % at the end of this run."""
        done = min(1.0, self.elapsed_s / max(1e-9, self.minutes * 60))
        warm = self.recipe.warm_up_fraction
        factor = (done + 1e-3) / warm if done + 1e-3 < warm else 0.5 + 0.5 * math.cos(math.pi * done)
        return self.recipe.learning_rate * max(0.01, factor)

    def step(self) -> dict[str, float]:
        """Train on one batch; returns its metrics."""
        start = time.monotonic()
        batch = self.task.next_batch(self.student)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.zero_grad(set_to_none=True)
        batch.loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        if not torch.isfinite(norm):
            loss = float(batch.loss.detach())
            raise NetworkError(f"training diverged at step {self.steps}: the loss is {loss}")
        self.optimiser.step()
        self._average()
        batch.after()
        self.steps += 1
        self.crops += self.recipe.batch
        passed = min(_MAX_STEP_S, time.monotonic() - start)
        self.elapsed_s += passed
        self.total_s += passed
        return batch.metrics

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
        """Train until the time is up; SIGTERM and SIGINT end the run early but cleanly."""
        stop: list[int] = []
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, lambda n, _: stop.append(n)) for number in numbers}
        try:
            next_s = 0.0  # the first after one step, to notice early that a folder is not writable
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
        """Write a checkpoint atomically."""
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
        """Start from the weights of a finished network (on the CPU)."""
        network = copy.deepcopy(network)
        self.task.adopt(network)
        for mine in (self.student, self.ema):
            mine.load_state_dict(network.state_dict())

    def resume(self, path: Path) -> None:
        """Continue from a checkpoint: weights, optimiser and counts; the learning rate schedule starts over.

        Raises ``NetworkError`` for a file that is missing, damaged or of another architecture.
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
        except Exception as error:  # torch.load raises half a dozen types for a damaged file
            raise NetworkError(f"cannot resume from {path}: {error}") from error
        self.steps, self.crops, self.total_s = counts["steps"], counts["crops"], counts["total_s"]
