"""Whether a graphics card runs whole ticks, and what happens when it fails. No torch at import."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from livedream.dream.gradients import Gradients
from livedream.dream.planning import Planned
from livedream.dream.residual import Residual
from livedream.errors import OutOfMemoryError
from livedream.frame import Image
from livedream.runtimes.base import Backend
from livedream.runtimes.device_errors import DeviceFailedError, is_out_of_memory
from livedream.runtimes.on_device import OnDevice, runs_on_graphics
from livedream.settings import Settings

if TYPE_CHECKING:
    from livedream.dream.device_batch import Batches
    from livedream.dream.device_dreamer import DeviceDreamer

log = logging.getLogger(__name__)

#: Makes what dreams on a backend's device: its gradients, and whether the dream waits for what is opened.
MakeDeviceDreamer = Callable[[OnDevice, Gradients, bool], "DeviceDreamer"]


class Graphics:
    """Runs the ticks of networks that are on a graphics card there, until that fails.

    Then the host does again what it does without one; only the gradients come from the card. When these fail
    too, or the card is lost to this process, ``DeviceLostError`` ends it, and the next one uses the CPU.
    With ``batches`` they run together with the ticks of others.
    """

    def __init__(
        self,
        gradients: Gradients,
        wait: bool,
        make: MakeDeviceDreamer | None = None,
        batches: Batches | None = None,
    ) -> None:
        self._gradients, self._wait = gradients, wait
        self._make = make or functools.partial(_device_dreamer, batches=batches)
        #: What keeps dreams in step whose ticks run together, for their planners.
        self.in_step = None if batches is None else batches.in_step
        self._dreamer: DeviceDreamer | None = None
        self._given: tuple[Image, Residual] | None = None
        #: Whether ticks may run on a card; False once one has failed.
        self.enabled = True
        #: What went wrong, for the HUD.
        self.message = ""
        #: What was dreamt last, when the host takes over.
        self.residual: Residual | None = None

    def reset(self) -> None:
        """Forget the dream so far, and give back what it holds on the card."""
        self._dreamer = self.residual = self._given = None

    def forget(self) -> None:
        """Forget the dream so far; what is recorded on the card stays for the next one."""
        self.residual = self._given = None
        if self._dreamer is not None:
            self._dreamer.forget()

    def seed(self, frame: Image, residual: Residual) -> None:
        """Carry on ``residual`` (h, w, 3), which was dreamt on ``frame``, instead of the dream so far."""
        self.reset()
        self._given = frame, residual

    def takes(self, backend: Backend) -> bool:
        """Whether ticks of this backend run on its device."""
        return self.enabled and runs_on_graphics(backend)

    def words(self, name: str) -> str:
        """What the HUD shows of a backend called ``name``."""
        if self._dreamer is None:
            return name
        return f"{name}, {'CUDA graph of the tick' if self._dreamer.recording else 'whole tick'}"

    def tick(
        self,
        backend: Backend,
        frame: Image,
        settings: Settings,
        elapsed_s: float,
        planned: Callable[[float], Planned],
    ) -> tuple[Residual, bool] | None:
        """The residual, and whether it was dreamt on; None when the host has to take over.

        ``planned`` makes the plan, given how new the dream is in the mean (0..1).

        Raises as :meth:`livedream.dream.device_dreamer.DeviceDreamer.tick`, and ``OutOfMemoryError`` where
        the dream need not wait.
        """
        assert isinstance(backend, OnDevice)
        try:
            if self._dreamer is None:
                self._dreamer = self._make(backend, self._gradients, self._wait)
                if self._given is not None:
                    self._dreamer.seed(*self._given)
                    self._given = None
            found = self._dreamer.tick(frame, settings, elapsed_s, planned=planned)
        except DeviceFailedError as error:
            if not self._wait and is_out_of_memory(error):
                raise OutOfMemoryError(str(error)) from error  # a smaller tick may fit
            log.error("%s; the host takes over", error)
            self.message = f"{error}; the tick runs on the CPU"
            self._dreamer, self.enabled = None, False
            return None
        self.residual = found[0]
        return found


def _device_dreamer(
    backend: OnDevice, gradients: Gradients, wait: bool, batches: Batches | None
) -> DeviceDreamer:
    import torch

    from livedream.dream.device import DeviceDream
    from livedream.dream.device_dreamer import DeviceDreamer

    device = torch.device(backend.device_name)
    return DeviceDreamer(device, gradients, wait, DeviceDream(device, batches=batches))


def open_batches(device_name: str) -> Batches | None:
    """For the dreamers of one process: their ticks on a graphics card run together. None on other devices."""
    if not device_name.startswith("cuda"):
        return None
    import torch

    from livedream.dream.device_batch import Batches

    return Batches(torch.device(device_name))
