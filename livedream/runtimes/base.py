"""The two interfaces of this package: a backend, as the dreamer sees it, and a runtime's session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from livedream.frame import Array
from livedream.networks.objective import Objective


@dataclass(frozen=True)
class Step:
    """What one run of a gradient found.

    ``gradient`` is float32 (h, w, 3), divided by its mean absolute value; ``strength`` the weighted norm of
    the layer's activation; ``activity`` the mean squared activation of each channel, (C,).
    """

    gradient: Array
    strength: float
    activity: Array


class Session(Protocol):
    """One exported graph, opened in a runtime for one image size."""

    @property
    def name(self) -> str:
        """What the HUD shows: ``OpenVINO cpu bf16``."""

    def __call__(self, image: Array, second: Array) -> Step:
        """The gradient for ``image``, RGB float32 (h, w, 3) in [0, 1].

        ``second`` is the graph's second input: channel weights (1, C, 1, 1), or a guide's features (C, 256).
        The result belongs to the caller.
        """

    def features(self, image: Array) -> Array:
        """The layer's activation for ``image``, (C, h·w): of a graph of features, which has no gradient."""


class Backend(Protocol):
    """One network on one device: what the dreamer needs of it.

    ``image`` is RGB float32 (h, w, 3) in [0, 1]; ``size`` is (width, height); ``layer`` is a name from the
    catalogue's table.
    """

    @property
    def name(self) -> str:
        """What the HUD shows."""

    @property
    def message(self) -> str:
        """What it is busy with, or what went wrong; empty when there is nothing to report."""

    @property
    def comparing(self) -> bool:
        """Whether it compares runtimes just now, which slows what runs beside it."""

    def gradient(self, image: Array, layer: str, objective: Objective) -> Step:
        """The direction in which ``image`` raises the objective; zero where the activation is dead.

        Raises ``BackendError`` or ``MissingPackageError`` when nothing on this machine can run it.
        """

    def features(self, image: Array, layer: str) -> Array:
        """The layer's activation, float32 (C, h·w). Raises as :meth:`gradient` does."""

    def ready(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """Whether this gradient would run now as fast as it ever will on this machine."""

    def opening(self, layer: str, size: tuple[int, int], objective: Objective) -> bool:
        """Whether this gradient is better not asked for yet: it will be there in a moment, and until then
        :meth:`gradient` waits for it. Begins to prepare it where needed."""

    def prepare(self, layer: str, size: tuple[int, int], objective: Objective) -> None:
        """Make this gradient ready in the background; returns at once."""

    def make_room(self) -> None:
        """Give back memory: close what is open, which is opened again when it is wanted."""

    def drop(self, reason: str) -> bool:
        """Stop using what ran the last gradient, which cannot be right; whether something else takes over."""

    def close(self) -> None:
        """Stop all background work. May be called twice."""
