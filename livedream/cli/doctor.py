"""``livedream doctor``: what this machine has for a mirror, what is missing, and how to fix it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from livedream import places
from livedream.cli.parser import Parser
from livedream.errors import LivedreamError
from livedream.networks.catalogue import CLASSIFIERS, NETWORKS, NetworkInfo, find_weights
from livedream.networks.provenance import require_undamaged
from livedream.performance.scenes import Scenes
from livedream.sinks.screens import displays
from livedream.sources.camera import list_cameras
from livedream.version import version

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
    "msgspec",
    "pillow",
    "platformdirs",
    "psutil",
    "safetensors",
    "tqdm",
)
_LEAST_DISK_GB = 5


def doctor_command(words: list[str]) -> None:
    """Run ``livedream doctor``."""
    parser = Parser(
        prog="livedream doctor",
        description="Reports what this machine has, what is missing, how to fix it.",
    )
    parser.parse_args(words)
    for line in report():
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def report() -> Iterator[str]:
    """The findings, line by line as they are found; ``ok``, ``--`` (missing, not needed) or ``!!``."""
    yield _line("ok", "livedream", f"{version()}, in {Path(__file__).parents[1]}")
    yield _line(
        "ok", "system", f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    yield from _packages()
    yield from _cameras()
    yield from _screens()
    yield from _devices()
    yield from _networks()
    yield from _scenes()
    yield from _folders()
    yield from _disk()


def _line(mark: str, what: str, found: str, fix: str = "") -> str:
    return f"{mark}  {what:<10} {found}" + (f"\n{'':>14} fix: {fix}" if fix else "")


def _packages() -> Iterator[str]:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield _line("ok", "packages", ", ".join(found))
    if missing:
        yield _line("!!", "packages", f"missing: {', '.join(missing)}", "see install.md")


def _cameras() -> Iterator[str]:
    cameras = list_cameras()
    for camera in cameras:
        yield _line("ok", "camera", f"{camera.name}: --source {camera.spec}")
    if not cameras:
        yield _line(
            "--",
            "camera",
            "none; the mirror shows clouds until there is one",
            "plug one in; the mirror picks it up by itself",
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
            "none; the mirror is shown on the preview page, http://127.0.0.1:8400/",
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
        yield _line("ok", "backends", f"{', '.join(exported)}: the fastest is found by a short comparison")
    else:
        yield _line("--", "backends", "PyTorch only", "install openvino or onnxruntime for a faster dream")
    if device.type == "cpu" and sys.platform != "darwin":
        card = _nvidia_card()
        if card and torch.version.cuda:
            yield _line(
                "!!",
                "GPU",
                f"{card} found, but this PyTorch (CUDA {torch.version.cuda}) cannot use it",
                "a newer NVIDIA driver",
            )
        elif card:
            yield _line("!!", "GPU", f"{card} found, but this PyTorch is CPU-only", "see install.md")
        else:
            yield _line("--", "GPU", "none; the dream runs on the processor, more slowly")


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
    try:
        known = [*NETWORKS.values(), *CLASSIFIERS.values()]
    except LivedreamError as error:
        yield _line("!!", "networks", str(error))
        return
    yield from filter(None, map(_network, known))
    others = [info.name for info in NETWORKS.values() if info.provider != "livedream"]
    missing = [name for name in others if find_weights(name) is None]
    if missing:
        names = ", ".join(missing)
        yield _line("--", "network", f"not installed: {names}", "to get one, livedream models fetch NAME")


def _network(info: NetworkInfo) -> str | None:
    """A line for a network that is on this machine, or should be because it is shipped."""
    path = find_weights(info.name)
    if path is None:
        is_shipped = info.provider == "livedream"
        return _line("!!", "network", f"{info.name}: not found", info.how_to_get) if is_shipped else None
    try:
        require_undamaged(info.name, path)
    except LivedreamError as error:
        return _line("!!", "network", str(error))
    return _line("ok", "network", f"{info.name}: {path}")


def _scenes() -> Iterator[str]:
    scenes = Scenes()
    names = list(scenes.paths())
    for name in names:
        try:
            problems = scenes.named(name).problems
        except LivedreamError as error:
            problems = (str(error),)
        for problem in problems:
            yield _line("!!", "scene", problem, "edit or remove that file; if it was shipped, install again")
    if names:
        yield _line("ok", "scenes", ", ".join(names))
    else:
        yield _line("!!", "scenes", "none", "install livedream again: it comes with some")


def _folders() -> Iterator[str]:
    folders = {
        "your scenes": places.scenes_dir(),
        "your networks": places.networks_dir(),
        "exported graphs": places.graphs_dir(),
        "downloads": places.downloads_dir(),
    }
    for what, folder in folders.items():
        if places.can_be_written(folder):
            yield _line("ok", "folder", f"{what}: {folder}")
        else:
            yield _line(
                "!!",
                "folder",
                f"{what}: {folder} cannot be written to",
                f"make it writable, or choose another with {places.HOME_VARIABLE}=FOLDER",
            )


def _disk() -> Iterator[str]:
    free_gb = shutil.disk_usage(Path.cwd()).free / 2**30
    if free_gb < _LEAST_DISK_GB:
        yield _line(
            "!!",
            "disk",
            f"{free_gb:.1f} GB free for recordings here",
            "free some space, or record elsewhere",
        )
    else:
        yield _line("ok", "disk", f"{free_gb:.0f} GB free for recordings")
