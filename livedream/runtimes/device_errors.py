"""What it means when a GPU fails, and what is possible then. No torch at import.

After most errors of CUDA (an illegal address, a hung kernel, a card that fell off the bus) every further call
fails in the same way, until the process ends. After others, such as too little memory, the device goes on.
Which of them it was is found out by trying.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from livedream.errors import BackendError, DeviceLostError, OutOfMemoryError

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


#: What libraries say when there is too little memory: PyTorch, OpenCV, ONNX Runtime, OpenVINO, C++, Linux.
_NO_ROOM = (
    "out of memory",
    "insufficient memory",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "bad_alloc",
    "bad allocation",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means too little memory, of the machine or of a device."""
    text = str(error).lower()
    return isinstance(error, MemoryError | OutOfMemoryError) or any(words in text for words in _NO_ROOM)


def lost(device_name: str, error: BaseException) -> DeviceLostError | None:
    """What ends this process when a device (PyTorch's name for it) works no more; None while it works."""
    if device_name == "cpu":
        return None
    import torch

    if works(torch.device(device_name)):
        return None
    return DeviceLostError(f"{device_name} failed: {reason_of(error)}")


def free_memory(device: torch.device) -> None:
    """Give back what PyTorch holds of the device's memory without using it."""
    import torch

    if device.type == "cuda":
        try:
            torch.cuda.empty_cache()
        except RuntimeError as error:
            log.debug("freeing the GPU's memory failed: %s", error)
