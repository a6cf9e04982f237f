"""Which device dreams. PyTorch is asked only where there may be a graphics card that it can use."""

from __future__ import annotations

import ctypes
import platform
import re
import subprocess
import sys
from pathlib import Path

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


def describe(device: str) -> str:
    """A device in words, with all that the speed of a network on it depends on."""
    if device == "cpu":
        return device
    import torch

    if not device.startswith("cuda"):
        return f"{device}, torch {torch.__version__}"
    card = torch.cuda.get_device_name(torch.device(device))
    return f"{card}, driver {_nvidia_driver()}, torch {torch.__version__}"


def _nvidia_driver() -> str:
    """The version of NVIDIA's driver, as far as it can be found."""
    try:
        found = re.search(r"\d+\.\d[\d.]*", Path("/proc/driver/nvidia/version").read_text())
        if found:
            return found[0]
    except OSError:
        pass
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


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
