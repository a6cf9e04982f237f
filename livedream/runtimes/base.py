"""The two interfaces of this package: a backend, as the dreamer sees it, and a runtime's session."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from livedream.networks.objective import Objective


class Session(Protocol):
    """One exported graph, opened in a runtime and ready to run at its size."""

    @property
    def name(self) -> str:
        """What the HUD shows: ``OpenVINO cpu bf16``."""

    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        """The gradient for ``image``, fp32 (1, 3, H, W).

        ``second`` is the graph's second input: channel weights (1, C, 1, 1), or a guide's features. The
        result belongs to the caller.
        """


class Backend(Protocol):
    """One network on one device: what the dreamer needs of it.

    ``image`` is RGB float32 (1, 3, H, W) in [0, 1] on :attr:`device`; ``size`` is (width, height); ``layer``
    is a name from the catalogue's table.
    """

    device: torch.device

    @property
    def name(self) -> str:
        """What the HUD shows."""

    @property
    def message(self) -> str:
        """What it is busy with, or what went wrong; empty when there is nothing to report."""

    def gradient(self, image: Tensor, layer: str, objective: Objective) -> Tensor:
        """The direction in which ``image`` raises the objective, fp32 of the same shape, divided by its mean
        absolute value; zero where the activation is dead."""

    def activation(self, image: Tensor, layer: str) -> Tensor:
        """The layer's activation, fp32 (1, C, h, w)."""

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """Whether this gradient would run now as fast as it ever will on this machine."""

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """Make this gradient ready in the background; returns at once."""

    def drop(self, reason: str) -> bool:
        """Stop using what ran the last gradient, which cannot be right; whether something else takes over."""

    def close(self) -> None:
        """Stop all background work. May be called twice."""
