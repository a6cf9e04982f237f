"""Weight files: reading their tensors, and copying these into a network.

A file is only ever data here: no pickle runs code, nothing is allocated for what a file only claims to hold,
and whatever is wrong with it becomes one ``NetworkError``.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from livedream.errors import NetworkError
from livedream.networks.caffe import read_caffe
from livedream.networks.catalogue import LARGEST_BYTES

# A state dict needs about thirty per tensor; each can put an object into memory.
_MOST_OPERATIONS = 1_000_000

# What a state dict is made of. Nothing here can allocate memory by itself, as bytearray could.
_STATE_DICT_GLOBALS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",  # until PyTorch 0.3
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
} | {
    f"{module}.{kind}Storage"
    for module in ("torch", "torch.cuda")
    for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int")
}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by their names, on the CPU, in the precision that they were stored in.

    Reads ``.npz``, ``.safetensors``, PyTorch state dicts (``.pth``, ``.pt``) and Caffe's ``.caffemodel``; the
    kind is found by content where possible, else by name. Raises ``NetworkError`` for a file that is missing,
    empty, damaged, too large, of another kind, or that holds anything but tensors.
    """
    if not path.is_file():
        raise NetworkError(f"no weights at {path}: there is no such file")
    what = "weights"
    try:
        size = path.stat().st_size
        if not 0 < size <= LARGEST_BYTES:
            raise NetworkError(f"it has {size} bytes; possible: 1 to {LARGEST_BYTES}")
        kind = _kind(path, size)
        what = f"{kind} weights"
        return _READERS[kind](path)
    except Exception as error:  # four libraries' readers, each with its own errors for a damaged file
        reason = _one_line(error)
        if not isinstance(error, NetworkError):
            reason = f"it is damaged, or another kind of file ({reason})"
        raise NetworkError(f"{path} cannot be read as {what}: {reason}") from error


def fill(parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path, network: str) -> None:
    """Copy ``tensors`` of the file ``path`` into the ``parameters`` of ``network`` that have their names.

    Shapes must be equal, except for leading sizes of 1, which older Caffe files have. Other tensors are
    ignored. Raises ``NetworkError`` naming the first that is missing, has another shape, or is not finite.
    """
    for name, parameter in parameters.items():
        if name not in tensors:
            found = ", ".join([*(repr(key[:60]) for key in list(tensors)[:3]), "…"]) if tensors else "none"
            raise NetworkError(f"{path} is not {network}: it has no tensor {name!r}; found {found}")
        tensor = tensors[name]
        if _without_leading_ones(tensor) != _without_leading_ones(parameter):
            raise NetworkError(
                f"{path} is not {network}: {name!r} has shape {tuple(tensor.shape)},"
                f" expected {tuple(parameter.shape)}"
            )
        if tensor.is_floating_point():
            parameter.data.copy_(tensor.detach().reshape(parameter.shape))
        if not tensor.is_floating_point() or not parameter.isfinite().all():
            raise NetworkError(f"{path} is damaged: {name!r} ({tensor.dtype}) is not all finite numbers")


def _one_line(error: Exception) -> str:
    """An error's first line, without whatever in a file's own text could upset a terminal."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _without_leading_ones(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _kind(path: Path, size: int) -> str:
    """What a file is, by its first bytes or its suffix. Raises ``NetworkError`` when neither is known."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(b"PK\x03\x04") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return ".pth" if any(name.endswith("data.pkl") for name in archive.namelist()) else ".npz"
    if start.startswith(b"\x80\x02"):  # a pickle, as torch.save wrote until 2020
        return ".pth"
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") < size:
        return ".safetensors"
    suffix = {".pt": ".pth"}.get(path.suffix.lower(), path.suffix.lower())
    if suffix not in _READERS:
        raise NetworkError(f"it is of another kind; possible: {', '.join(_READERS)}")
    return suffix


def _read_npz(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        _refuse_bombs(archive)
    with np.load(path, allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def _read_pth(path: Path) -> dict[str, Tensor]:
    for name in _globals(path):
        if name not in _STATE_DICT_GLOBALS:
            raise NetworkError(f"it holds {name}, and may only hold a state dict of tensors")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise NetworkError("it is not a state dict of tensors")
    return {str(name): value for name, value in state.items()}


def _globals(path: Path) -> Iterator[str]:
    """The name of every class and function that a state dict would load, as ``module.name``."""
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(5):  # magic number, version, machine, the state dict, the names of its storages
                yield from _globals_of_pickle(file)
        return
    with zipfile.ZipFile(path) as archive:
        _refuse_bombs(archive)
        for entry in archive.namelist():
            if entry.endswith(".pkl"):
                with archive.open(entry) as file:
                    yield from _globals_of_pickle(file)


def _globals_of_pickle(file: IO[bytes]) -> Iterator[str]:
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        if count > _MOST_OPERATIONS:
            raise NetworkError(f"its pickle has more than {_MOST_OPERATIONS} operations")
        if operation.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif operation.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"):
            yield f"the pickle operation {operation.name}"


def _refuse_bombs(archive: zipfile.ZipFile) -> None:
    """Raise ``NetworkError`` when unpacking would take more memory than a network can."""
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > LARGEST_BYTES:
        raise NetworkError(f"it unpacks to {unpacked} bytes; possible: {LARGEST_BYTES}")


_READERS: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    ".npz": _read_npz,
    ".safetensors": load_file,
    ".pth": _read_pth,
    ".caffemodel": read_caffe,
}
