"""``livedream doctor``: what this machine has for a mirror, what is missing, and how to fix it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path

from livedream import places
from livedream.cli.cameras import camera_report, control_report
from livedream.cli.parser import Parser, checked
from livedream.errors import LivedreamError
from livedream.extras import (
    FULL_PACKAGES,
    ONNX_RUNTIMES,
    full_command,
    installed,
    lean_command,
    missing_packages,
    onnx_runtimes,
)
from livedream.networks.catalogue import CLASSIFIERS, NETWORKS, NetworkInfo, find_weights
from livedream.networks.dreamable import dreamable_layers
from livedream.networks.provenance import require_undamaged
from livedream.performance.scenes import Scenes
from livedream.runtimes.devices import choose_device
from livedream.runtimes.registry import candidates, slow_candidates
from livedream.sinks.encoders import usable
from livedream.sinks.screens import displays
from livedream.version import version
from livedream.watch.alerts import TEST, Notice, deliver, hook_name, message, parse_hook

#: What every install has; below, what some have.
_PACKAGES = (
    "numpy",
    "opencv-python",
    "pygame",
    "av",
    "aiohttp",
    "msgspec",
    "pillow",
    "platformdirs",
    "prometheus-client",
    "psutil",
    "python-osc",
    "safetensors",
    "segno",
    "tqdm",
)
_OPTIONAL = (
    "moderngl",
    "openvino",
    *ONNX_RUNTIMES,
    *FULL_PACKAGES,
    "mido",
    "rtmidi2",
    "sounddevice",
    "aalink",
    "zeroconf",
    "ray",
    "cv2-enumerate-cameras",
    "cyndilib",
    "pyvirtualcam",
    "spoutgl",
    "syphon-python",
    "onnxruntime-ep-nv-tensorrt-rtx",
)
_LEAST_DISK_GB = 5


def doctor_command(words: list[str]) -> None:
    """Run ``livedream doctor``."""
    parser = Parser(
        prog="livedream doctor",
        description="Reports what this machine has, what is missing, how to fix it.",
    )
    parser.add_argument("--exhibit", action="store_true", help="also what an exhibition needs")
    parser.add_argument(
        "--alert",
        action="append",
        default=[],
        type=checked(parse_hook),
        metavar="URL|COMMAND",
        help="only send a test message, as the mirror's --alert would",
    )
    parser.add_argument("--camera", metavar="SPEC", help="only the controls of this camera")
    found = parser.parse_args(words)
    if found.alert:
        test_alerts(found.alert)
        return
    lines: Iterable[str] = chain(report(), exhibit() if found.exhibit else ())
    if found.camera is not None:
        lines = (_line(*finding) for finding in control_report(found.camera))
    for line in lines:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def test_alerts(targets: Sequence[str]) -> None:
    """Send a test message to each address and command. Raises ``LivedreamError`` if one did not take it."""
    notice = Notice(TEST, "test", "this is how livedream tells you when something is wrong", time.time())
    failed = []
    for target in targets:
        try:
            deliver(target, message(notice))
        except OSError as error:
            failed.append(hook_name(target))
            sys.stdout.write(_line("!!", "alert", f"{hook_name(target)}: {error}") + "\n")
        else:
            sys.stdout.write(_line("ok", "alert", f"{hook_name(target)} took a test message") + "\n")
    if failed:
        raise LivedreamError(f"no alert would reach {', '.join(failed)}")


def exhibit() -> Iterator[str]:
    """What an exhibition needs, line by line: the chapter of install.md, as far as a program can see it."""
    from livedream.cli.exhibit import exhibit_report

    for finding in exhibit_report():
        yield _line(*finding)


def report() -> Iterator[str]:
    """The findings, line by line as they are found; ``ok``, ``--`` (missing, not needed) or ``!!``."""
    yield _line("ok", "livedream", f"{version()}, in {Path(__file__).parents[1]}")
    yield _line(
        "ok", "system", f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    yield from _install()
    yield from _packages()
    yield from (_line(*finding) for finding in camera_report())
    yield from _screens()
    yield from _encoders()
    yield from _dream()
    yield from _gpu()
    yield from _networks()
    yield from _scenes()
    yield from _folders()
    yield from _disk()


def _line(mark: str, what: str, found: str, fix: str = "") -> str:
    return f"{mark}  {what:<10} {found}" + (f"\n{'':>14} fix: {fix}" if fix else "")


def _packages() -> Iterator[str]:
    found, missing = [], []
    for name in (*_PACKAGES, *_OPTIONAL):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing += [name] * (name in _PACKAGES)
    yield _line("ok", "packages", ", ".join(found))
    if missing:
        yield _line("!!", "packages", f"missing: {', '.join(missing)}", "see install.md")


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
            "none; the mirror is shown on its page, http://127.0.0.1:8400/",
            "start it from a desktop session, or set DISPLAY",
        )


def _install() -> Iterator[str]:
    missing = missing_packages()
    if missing:
        found = (
            f"lean, without {', '.join(missing)}: it dreams with the gradients that are shipped or exported"
        )
        yield _line("--", "install", found, f"to dream with any network: {full_command()}")
    else:
        yield _line("ok", "install", "full: it exports the gradients of any network, and trains")
    both = onnx_runtimes()
    if len(both) > 1:
        yield _line(
            "!!",
            "install",
            f"{' and '.join(both)} write the same files; only one of them may be installed",
            f"pip uninstall -y {' '.join(both)}, then {lean_command() if missing else full_command()}",
        )


def _encoders() -> Iterator[str]:
    """What can write a recording, the one that is taken first."""
    works = [f"{encoder.name} ({encoder.about})" for encoder, problem in usable() if not problem]
    if works:
        yield _line("ok", "encoders", f"{', '.join(works)}: the first writes recordings, or --encoder NAME")
    else:
        yield _line("!!", "encoders", "none: nothing can be recorded", "pip install --force-reinstall av")


def _dream() -> Iterator[str]:
    device = choose_device()
    names = [*slow_candidates(device), *candidates(device), *["pytorch"] * installed("torch")]
    if not names:
        found = "nothing here can run it: OpenVINO, ONNX Runtime and PyTorch are missing"
        yield _line("!!", "dream", found, lean_command())
        return
    where = f"{device} ({platform.processor() or platform.machine()})" if device == "cpu" else device
    yield _line("ok", "dream", f"runs on {where}")
    yield _line("ok", "backends", f"{', '.join(names)}: the fastest is found by a short comparison")
    for package, name in {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}.items():
        if not installed(package):
            again = full_command() if installed("torch") else lean_command()
            yield _line("--", "backends", f"{name} is not installed", again)


def _gpu() -> Iterator[str]:
    card = "" if sys.platform == "darwin" else _nvidia_card()
    if not card:
        if sys.platform != "darwin":
            yield _line("--", "GPU", "no NVIDIA card; the dream runs on the processor, more slowly")
    elif not installed("torch"):
        yield _line("--", "GPU", f"{card} found; the dream uses it in a full install only", full_command())
    else:
        import torch

        if torch.cuda.is_available():
            yield _line("ok", "GPU", card)
        elif torch.version.cuda:
            found = f"{card} found, but this PyTorch (CUDA {torch.version.cuda}) cannot use it"
            yield _line("!!", "GPU", found, "a newer NVIDIA driver")
        else:
            yield _line("!!", "GPU", f"{card} found, but this PyTorch is CPU-only", "see install.md")


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
        how = "livedream models fetch NAME" if installed("torch") else full_command()
        yield _line("--", "network", f"not installed: {', '.join(missing)}", f"to get one, {how}")


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
    if installed("torch"):
        return _line("ok", "network", f"{info.name}: {path}")
    exported = dreamable_layers(info.name)
    found = f"{info.name}: {path}, {len(exported)} of {len(info.layers)} layers exported"
    return _line("ok" if exported else "--", "network", found, "" if exported else full_command())


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
        "last state": places.state_dir(),
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
