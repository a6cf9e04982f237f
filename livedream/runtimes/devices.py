"""Which device dreams. PyTorch is asked only where there may be a graphics card that it can use."""

from __future__ import annotations

import ctypes
import platform
import sys

from livedream.errors import BackendError
from livedream.extras import installed


def choose_device(wanted: str = "auto") -> str:
    """The fastest device, or the one asked for: ``auto``, ``cuda``, ``cuda:1``, ``mps``, ``cpu``.

    Raises ``BackendError`` when this machine does not have it.
    """
    if wanted == "cpu" or (wanted == "auto" and not (installed("torch") and may_have_gpu())):
        return "cpu"
    possible = torch_devices() if installed("torch") else ["cpu"]
    if wanted == "auto":
        return possible[0]
    if wanted not in possible:
        raise BackendError(f"device {wanted!r} is not on this machine; possible: auto, {', '.join(possible)}")
    return wanted


def torch_devices() -> list[str]:
    """What PyTorch can run on here, the fastest first."""
    import torch

    possible = ["cpu"]
    if torch.backends.mps.is_available():
        possible.insert(0, "mps")
    if torch.cuda.is_available():
        possible = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count())), *possible]
    return possible


def may_have_gpu() -> bool:
    """Whether there is a graphics card that PyTorch may be able to use: NVIDIA's driver, or Apple's chip."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    return any(_loads(library) for library in ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so"))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
