"""``live.py doctor``: what this machine has for a mirror, what it lacks, and how to mend it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from livedream.networks.catalogue import CLASSIFIERS, NETWORKS, find_weights
from livedream.sinks.screens import displays
from livedream.sources.camera import list_cameras

_PACKAGES = (
    "torch",
    "torchvision",
    "opencv-python",
    "numpy",
    "onnx",
    "openvino",
    "pygame",
    "av",
    "aiohttp",
    "pillow",
    "psutil",
    "safetensors",
    "tqdm",
)
_LEAST_DISK_GB = 5


def report() -> Iterator[str]:
    """The findings, line by line as they are found; ``ok``, ``--`` (not there, not needed) or ``!!``."""
    yield _line(
        "ok", "system", f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    yield from _packages()
    yield from _cameras()
    yield from _screens()
    yield from _devices()
    yield from _networks()
    yield from _disk()


def _line(mark: str, what: str, found: str, mend: str = "") -> str:
    return f"{mark}  {what:<10} {found}" + (f"\n{'':>14} mend: {mend}" if mend else "")


def _packages() -> Iterator[str]:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield _line("ok", "packages", ", ".join(found))
    if missing:
        yield _line("!!", "packages", f"missing: {', '.join(missing)}", "uv sync, or see install.md")


def _cameras() -> Iterator[str]:
    cameras = list_cameras()
    for camera in cameras:
        yield _line("ok", "camera", f"{camera.name}: --source {camera.spec}")
    if not cameras:
        yield _line(
            "--",
            "camera",
            "none: the mirror shows clouds until there is one",
            "plug one in; it is taken over by itself",
        )
    refused = [
        str(path) for path in sorted(Path("/dev").glob("video*")) if not os.access(path, os.R_OK | os.W_OK)
    ]
    if refused:
        yield _line(
            "!!",
            "camera",
            f"not allowed to open {', '.join(refused)}",
            "sudo usermod -aG video $USER, log in again",
        )


def _screens() -> Iterator[str]:
    screens = displays()
    for screen in screens:
        rate = f" at {screen.refresh_hz} Hz" if screen.refresh_hz else ""
        width, height = screen.size
        yield _line("ok", "screen", f"{screen.name}, {width}x{height}{rate}: --display {screen.index}")
    if not screens:
        yield _line(
            "--",
            "screen",
            "none: the picture is on the preview page, http://127.0.0.1:8400/",
            "start it from a desktop session, or set DISPLAY",
        )


def _devices() -> Iterator[str]:
    try:
        import torch

        from livedream.runtimes.pytorch import choose_device, choose_precision
        from livedream.runtimes.registry import candidates
    except (ImportError, OSError) as error:
        yield _line("!!", "dream", f"PyTorch cannot be loaded: {error}", "see install.md")
        return
    device = choose_device()
    precision = str(choose_precision(device)).removeprefix("torch.")
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    yield _line("ok", "dream", f"runs in PyTorch on {device.type} ({name}) in {precision}")
    exported = candidates(device)
    if exported:
        yield _line("ok", "backends", f"{', '.join(exported)}: the fastest is chosen by a short comparison")
    else:
        yield _line("--", "backends", "PyTorch only", "install openvino or onnxruntime for a faster dream")
    if device.type == "cpu" and sys.platform != "darwin":
        card = _nvidia_card()
        if card and torch.version.cuda:
            yield _line(
                "!!",
                "GPU",
                f"{card} is there, but this PyTorch (CUDA {torch.version.cuda}) cannot use it",
                "a newer NVIDIA driver",
            )
        elif card:
            yield _line("!!", "GPU", f"{card} is there, but this PyTorch is CPU-only", "see install.md")
        else:
            yield _line("--", "GPU", "none: the dream runs on the processor, slower but it runs")


def _nvidia_card() -> str:
    """The name of an NVIDIA card by the driver's own tool, or ""."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip().splitlines()[0] if result.returncode == 0 and result.stdout.strip() else ""


def _networks() -> Iterator[str]:
    downloadable = []
    for info in (*NETWORKS.values(), *CLASSIFIERS.values()):
        path = find_weights(info.name)
        if path is not None:
            yield _line("ok", "network", f"{info.name}: {path}")
        elif not info.from_torchvision:
            yield _line("--", "network", f"{info.name}: its weights are not here", info.how_to_get)
        elif info.name in NETWORKS:
            downloadable.append(info.name)
    if downloadable:
        yield _line(
            "--",
            "network",
            f"{', '.join(downloadable)}: their weights are not here",
            "torchvision downloads them where there is internet; live.py models list NAME says what to copy",
        )


def _disk() -> Iterator[str]:
    free_gb = shutil.disk_usage(Path.cwd()).free / 2**30
    if free_gb < _LEAST_DISK_GB:
        yield _line(
            "!!", "disk", f"{free_gb:.1f} GB left for recordings here", "make room, or record elsewhere"
        )
    else:
        yield _line("ok", "disk", f"{free_gb:.0f} GB free for recordings")
