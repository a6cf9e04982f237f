"""The inference runtimes by name: which ones suit a device, and how to open a graph in one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from livedream.errors import BackendError
from livedream.extras import installed
from livedream.runtimes import onnxruntime, openvino, tensorrt_rtx
from livedream.runtimes.base import Session
from livedream.runtimes.names import ON_GRAPHICS

log = logging.getLogger(__name__)


def candidates(device: str) -> list[str]:
    """The runtimes that can run on ``device`` (``cpu``, ``cuda:0``, ``mps``), the likely fastest first.

    PyTorch, which is not among them, can run on each. None is imported for a CPU.
    """
    if device.startswith("cuda"):
        found = ["pytorch-graph"] if installed("onnx") else []
        return found + ["onnxruntime-cuda"] * (installed("onnxruntime") and onnxruntime.has_cuda())
    if device != "cpu":
        return []
    return [name for name in ("openvino", "onnxruntime") if installed(name)]


#: Worth a comparison, but they take too long to open for a first dream: Intel's graphics.
SLOW = ("openvino-gpu",)


def slow_candidates(device: str) -> list[str]:
    """Those of :data:`SLOW` that can run on ``device``."""
    if device != "cpu" or not installed("openvino"):
        return []
    try:
        return list(SLOW) if openvino.has_gpu() else []
    except Exception as error:  # OpenVINO is damaged, which is reported when it opens a graph
        log.info("OpenVINO does not start: %s", error)
        return []


#: Opening a graph in these takes long: the dream does not wait for it, and they run only when asked for.
BUILT = ("pytorch-compiled", "tensorrt", "tensorrt-rtx")


def in_half(runtime: str, device: str) -> bool:
    """Whether a runtime takes graphs that were exported in half precision.

    PyTorch runs the others in bfloat16, where the card has it: these are shipped.
    """
    if runtime not in ON_GRAPHICS:
        return False
    if runtime not in ("pytorch-graph", "pytorch-compiled"):
        return True
    from livedream.runtimes.torch_graph import precision_of

    return precision_of(device) == "fp16"


def open_session(
    runtime: str, path: Path, size: tuple[int, int], threads: int, device: str = "cpu"
) -> Session:
    """Open an exported graph for images of ``size`` (width, height) in a runtime of
    :data:`livedream.runtimes.names.BACKENDS`.

    Raises ``BackendError`` when the runtime cannot start or cannot run this graph.
    """
    try:
        match runtime:
            case "openvino":
                return openvino.OpenVINOSession(path, size, threads)
            case "openvino-fp32":
                return openvino.OpenVINOSession(path, size, threads, half=False)
            case "openvino-gpu":
                return openvino.OpenVINOSession(path, size, threads, "GPU")
            case "onnxruntime":
                return onnxruntime.OnnxRuntimeSession(path, size, threads)
            case "pytorch-graph" | "pytorch-compiled":
                from livedream.runtimes.torch_graph import TorchGraphSession

                return TorchGraphSession(path, size, device, compiled=runtime == "pytorch-compiled")
            case "onnxruntime-cuda":
                return onnxruntime.OnnxRuntimeGpuSession(path, size, threads, onnxruntime.CUDA, device)
            case "tensorrt":
                return onnxruntime.OnnxRuntimeGpuSession(path, size, threads, onnxruntime.TENSORRT, device)
            case "tensorrt-rtx":
                return tensorrt_rtx.TensorRtxSession(path, size, threads)
    except ImportError as error:
        raise BackendError(f"{runtime} is not installed: {error}") from error
    except BackendError:
        raise
    except Exception as error:  # each runtime has exceptions of its own
        raise BackendError(f"{runtime} cannot run {path.name}: {error}") from error
    raise BackendError(f"{runtime!r} runs no exported graphs")


class Runtimes:
    """The runtimes that a backend still uses, the fastest first. Thread-safe."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._dropped: set[str] = set()
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Those still in use, the fastest first."""
        with self._lock:
            return list(self._names)

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._names

    def add(self, names: Iterable[str]) -> None:
        """Use these too, if the others fail."""
        with self._lock:
            self._names += [name for name in names if name not in {*self._names, *self._dropped}]

    def drop(self, name: str) -> bool:
        """Stop using a runtime, for good; whether it was in use."""
        with self._lock:
            used = name in self._names
            self._names = [other for other in self._names if other != name]
            self._dropped.add(name)
            return used

    def keep(self, order: Iterable[str]) -> None:
        """Use only these, in this order; one dropped in the meantime stays dropped."""
        with self._lock:
            self._names = [name for name in order if name in self._names]
