"""The inference runtimes by name: which are worth trying on a device, and how to open a graph in one."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import torch

from livedream.errors import BackendError
from livedream.runtimes import onnxruntime, openvino
from livedream.runtimes.base import Session


def candidates(device: torch.device) -> list[str]:
    """The runtimes worth a calibration on ``device``, the likely fastest first, without PyTorch."""
    if device.type == "cuda":
        return ["onnxruntime-cuda"] if onnxruntime.installed() and onnxruntime.has_cuda() else []
    if device.type != "cpu":
        return []
    found = []
    if openvino.installed():
        found += ["openvino-gpu"] * openvino.has_gpu() + ["openvino"]
    if onnxruntime.installed():
        found.append("onnxruntime")
    return found


def open_session(runtime: str, path: Path, threads: int) -> Session:
    """Open an exported graph in a runtime of :data:`livedream.runtimes.names.BACKENDS`.

    Raises ``BackendError`` when the runtime cannot start or cannot run this graph.
    """
    try:
        match runtime:
            case "openvino":
                return openvino.OpenVINOSession(path, threads)
            case "openvino-fp32":
                return openvino.OpenVINOSession(path, threads, half=False)
            case "openvino-gpu":
                return openvino.OpenVINOSession(path, threads, "GPU")
            case "onnxruntime":
                return onnxruntime.OnnxRuntimeSession(path, threads)
            case "onnxruntime-cuda":
                return onnxruntime.OnnxRuntimeGpuSession(path, threads, onnxruntime.CUDA)
            case "tensorrt":
                return onnxruntime.OnnxRuntimeGpuSession(path, threads, onnxruntime.TENSORRT)
    except ImportError as error:
        raise BackendError(f"{runtime} is not installed: {error}") from error
    except BackendError:
        raise
    except Exception as error:  # each runtime has exceptions of its own
        raise BackendError(f"{runtime} cannot run {path.name}: {error}") from error
    raise BackendError(f"{runtime!r} runs no exported graphs")


class Runtimes:
    """The runtimes that a backend still uses, the fastest first. For several threads."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """All that are left, the fastest first."""
        with self._lock:
            return list(self._names)

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._names

    def drop(self, name: str) -> bool:
        """Stop using one; whether it was still in use."""
        with self._lock:
            used = name in self._names
            self._names = [other for other in self._names if other != name]
            return used

    def keep(self, order: Iterable[str]) -> None:
        """Use only these, in this order; one that was dropped in the meantime stays dropped."""
        with self._lock:
            self._names = [name for name in order if name in self._names]
