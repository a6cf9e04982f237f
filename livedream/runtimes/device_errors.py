"""What it means when a GPU fails, and what is possible then. No torch at import.

After most errors of CUDA (an illegal address, a hung kernel, a card that fell off the bus) every further call
fails in the same way, until the process ends. After others, such as too little memory, the device goes on.
Which of them it was is found out by trying.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from livedream.errors import BackendError, DeviceLostError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_LONGEST_REASON = 120


class DeviceFailedError(BackendError):
    """Something cannot be run on a device, which itself still works."""


def reason_of(error: BaseException) -> str:
    """An error in one short line: CUDA's have several, with advice for programmers."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"


def works(device: torch.device) -> bool:
    """Whether the device still computes."""
    import torch

    try:
        return torch.ones(2, device=device).sum().item() == 2.0
    except RuntimeError:  # AcceleratorError and OutOfMemoryError are such
        return False


def failure(device: torch.device, error: Exception, what: str) -> BackendError | DeviceLostError:
    """What an error of the device means for ``what``: that this cannot be run, or that the device is lost."""
    reason = reason_of(error)
    free_memory(device)
    if not works(device):
        return DeviceLostError(f"{device} failed: {reason}")
    return DeviceFailedError(f"{device} cannot run {what}: {reason}")


def free_memory(device: torch.device) -> None:
    """Give back what PyTorch holds of the device's memory without using it."""
    import torch

    if device.type == "cuda":
        try:
            torch.cuda.empty_cache()
        except RuntimeError as error:
            log.debug("freeing the GPU's memory failed: %s", error)
