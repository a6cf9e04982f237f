"""Packages that not every install has.

The lean install does without PyTorch and onnx, which export gradients and dream what was never exported;
whatever needs one of them calls :func:`require` first. Small extras are for one feature each.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import sys
from importlib import metadata
from pathlib import Path

from livedream.errors import MissingPackageError

#: The packages of the full install that the lean one does without, by the names that they are imported by.
FULL_PACKAGES = ("torch", "torchvision", "onnx")
_NAMES = {"torch": "PyTorch", "openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
#: Both are imported as ``onnxruntime`` and write the same files, so only one of them may be installed.
ONNX_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


def installed(package: str) -> bool:
    """Whether a package can be found; it is not imported."""
    return importlib.util.find_spec(package) is not None


def missing_packages() -> tuple[str, ...]:
    """What the full install has and this one has not; nothing is imported."""
    return tuple(package for package in FULL_PACKAGES if not installed(package))


def require_installed(package: str, what: str) -> None:
    """Look for ``package``, which is needed for ``what``, without importing it.

    Raises ``MissingPackageError`` with the command that adds it.
    """
    if not installed(package):
        name = _NAMES.get(package, package)
        is_full = package in FULL_PACKAGES or installed("torch")
        command = full_command() if is_full else lean_command()
        raise MissingPackageError(f"{what} needs {name}, which is not installed; to add it: {command}")


def require(package: str, what: str) -> None:
    """Import ``package``, which is needed for ``what``: ``dreaming vgg16``.

    Raises ``MissingPackageError`` with the command that adds it, or why it cannot be loaded.
    """
    require_installed(package, what)
    name = _NAMES.get(package, package)
    try:
        importlib.import_module(package)
    except (ImportError, OSError) as error:  # a library that it links to is missing or too old
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingPackageError(
            f"{what} needs {name}, which cannot be loaded ({reason}); to install it again: {full_command()}"
        ) from error


def onnx_runtimes() -> tuple[str, ...]:
    """Which packages of ONNX Runtime are installed: none, one, or by mistake both."""
    return tuple(name for name in ONNX_RUNTIMES if _version(name))


def lean_command() -> str:
    """The command that gives a lean install everything that belongs to one."""
    return "uv sync --no-default-groups --extra lean" if in_checkout() else 'pip install "livedream[lean]"'


def full_command() -> str:
    """The command that makes this install a full one."""
    if in_checkout():
        return "uv sync"
    add = 'pip install "livedream[full]"'
    # pip never removes a package because another one replaces it.
    return f"pip uninstall -y onnxruntime, then {add}" if _replaces_onnxruntime() else add


def require_extra(package: str, extra: str, what: str) -> None:
    """Look for the ``package`` of one of the small extras, which is needed for ``what``.

    Raises ``MissingPackageError`` with the command that adds it.
    """
    if not installed(package):
        command = f"uv sync --extra {extra}" if in_checkout() else f'pip install "livedream[{extra}]"'
        raise MissingPackageError(
            f"{what} needs the package {package}, which is not installed; to add it: {command}"
        )


def in_checkout() -> bool:
    """Whether this livedream runs from a checkout, whose environment uv looks after."""
    return (Path(__file__).parents[1] / "pyproject.toml").is_file()


def _replaces_onnxruntime() -> bool:
    """Whether the full install has onnxruntime-gpu here, and so must not keep onnxruntime."""
    has_gpu_build = sys.platform != "darwin" and platform.machine() in ("x86_64", "AMD64")
    return has_gpu_build and "onnxruntime" in onnx_runtimes()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
