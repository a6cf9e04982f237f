"""Ticks on a graphics card, for the dreamer: from what is dreamt to gradients there, and to a residual."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch

from livedream.dream.ascent import PlannedStep, in_range
from livedream.dream.device import DeviceDream, DeviceTarget
from livedream.dream.device_rows import Size
from livedream.dream.gradients import CANNOT_RUN, Gradients
from livedream.dream.planning import Planned
from livedream.dream.residual import Residual
from livedream.dream.targets import Mix, Target, sees_strokes
from livedream.frame import Image
from livedream.runtimes.device_errors import failure
from livedream.runtimes.on_device import DeviceGradient
from livedream.settings import Settings

log = logging.getLogger(__name__)


class DeviceDreamer:
    """Dreams on ``device`` what the dreamer plans; without ``wait`` it goes on where that cannot be run."""

    def __init__(
        self, device: torch.device, gradients: Gradients, wait: bool, dream: DeviceDream | None = None
    ) -> None:
        self._device, self._gradients, self._wait = device, gradients, wait
        self._dream = DeviceDream(device) if dream is None else dream
        #: The last residual, for whatever takes over.
        self.residual: Residual | None = None

    @property
    def recording(self) -> bool:
        """Whether ticks are CUDA graphs."""
        return self._dream.recording

    def forget(self) -> None:
        """Begin anew with the next frame."""
        self._dream.forget()
        self.residual = None

    def seed(self, frame: Image, residual: Residual) -> None:
        """Begin with ``residual`` (h, w, 3), which was dreamt on ``frame``."""
        self._dream.seed(frame, residual)

    def tick(
        self,
        frame: Image,
        settings: Settings,
        elapsed_s: float,
        *,
        planned: Callable[[float], Planned],
    ) -> tuple[Residual, bool]:
        """The residual on ``frame``, RGB uint8 (h, w, 3), and whether it was dreamt on.

        ``planned`` makes the plan, given how new the dream is.

        Raises ``DeviceLostError`` when the device is lost to this process, ``DeviceFailedError`` when the
        device works but not this, and what a backend raises.
        """
        dream, before = self._dream, self.residual
        try:
            dream.follow(frame, settings, elapsed_s)
            plan = planned(dream.novelty)
            targets = self._targets(plan.mix, plan.steps)
            self.residual, finite = dream.start(plan.steps, targets, settings, elapsed_s, plan.step_s)()
            if not finite:
                if before is None or before.shape != self.residual.shape:
                    before = self.residual
                self._gradients.find_faults(in_range(frame, before), plan.mix)
        except CANNOT_RUN:
            raise
        except RuntimeError as error:  # CUDA's errors are such, and so is too little memory
            raise failure(self._device, error, "the tick") from error
        if finite and targets:
            self._gradients.sound.update(target.key for target in plan.mix)
        return self.residual, finite and bool(targets)

    def _targets(self, mix: Mix, steps: Sequence[PlannedStep]) -> list[DeviceTarget]:
        """What is dreamt, with its gradients at the sizes of the steps; nothing when one cannot be run."""
        sizes = list(dict.fromkeys(step.size for step in steps))
        try:
            return [
                DeviceTarget(weight, self._at_sizes(target, sizes), sees_strokes(target), target.key)
                for target, weight in mix.items()
                if sizes
            ]
        except CANNOT_RUN:
            if self._wait:
                raise
            return []

    def _at_sizes(self, target: Target, sizes: list[Size]) -> dict[Size, DeviceGradient]:
        return {size: self._gradients.on_device(target, size) for size in sizes}
