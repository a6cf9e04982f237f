"""ONNX Runtime, on the CPU and on NVIDIA GPUs (CUDA, TensorRT)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from livedream import places
from livedream.errors import BackendError
from livedream.frame import Array
from livedream.networks.graphs import GraphSidecar
from livedream.runtimes.base import Step
from livedream.runtimes.on_device import DeviceGradient

if TYPE_CHECKING:
    import torch

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
OUTPUTS = ("gradient", "strength", "activity")


class OnnxRuntimeSession:
    """An exported graph in ONNX Runtime on the CPU, for images of ``size`` (width, height)."""

    name = "ONNX Runtime cpu"

    def __init__(self, path: Path, size: tuple[int, int], threads: int) -> None:
        self._session = _inference_session(path, size, threads, [("CPUExecutionProvider", {})])
        self._names = [given.name for given in self._session.get_inputs()]
        self._image = np.zeros((1, 3, size[1], size[0]), np.float32)
        self._planes = list(self._image[0])
        self._lock = threading.Lock()  # there is one place for the image

    def __call__(self, image: Array, second: Array) -> Step:
        """See :class:`livedream.runtimes.base.Session`."""
        with self._lock:
            cv2.split(image, self._planes)
            given = dict(zip(self._names, (self._image, second), strict=True))
            gradient, strength, activity = self._session.run(OUTPUTS, given)
        return Step(cv2.merge(list(gradient[0])), float(strength), activity)

    def features(self, image: Array) -> Array:
        """See :class:`livedream.runtimes.base.Session`."""
        with self._lock:
            cv2.split(image, self._planes)
            (features,) = self._session.run(["features"], {"image": self._image})
        found: Array = features
        return found


class OnnxRuntimeGpuSession:
    """An exported graph on an NVIDIA GPU, by CUDA (as a CUDA graph) or TensorRT.

    Source: onnxruntime.ai, "CUDA Execution Provider", "Using CUDA Graphs". Raises ``BackendError`` where
    ``provider`` is missing or does not start.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], threads: int, provider: str, device: str = "cuda"
    ) -> None:
        import onnxruntime
        import torch

        if provider not in onnxruntime.get_available_providers() or not torch.cuda.is_available():
            raise BackendError(f"this ONNX Runtime or this machine has no {provider}")
        onnxruntime.preload_dlls()  # PyTorch's own CUDA and cuDNN
        index = torch.device(device).index
        index = torch.cuda.current_device() if index is None else index
        self._device = torch.device("cuda", index)
        cuda = {
            "device_id": index,
            "cudnn_conv_algo_search": "EXHAUSTIVE",
            "prefer_nhwc": "1",
            "enable_cuda_graph": "1",
        }
        tensorrt = {
            "device_id": index,
            "trt_fp16_enable": True,
            "trt_cuda_graph_enable": True,
            "trt_engine_cache_enable": True,  # an engine takes minutes to build
            "trt_engine_cache_path": str(places.graphs_dir() / "tensorrt"),
        }
        options = {CUDA: cuda, TENSORRT: tensorrt}[provider]
        self._session = _inference_session(path, size, threads, [(provider, options)])
        if provider not in self._session.get_providers():
            raise BackendError(f"{provider} does not start; see the log above")
        # A CUDA graph replays on the same addresses: inputs are copied into these tensors.
        sidecar = GraphSidecar.read(path)
        shapes = {given.name: given.shape for given in self._session.get_inputs()}
        shapes["image"] = [1, 3, size[1], size[0]]
        self._inputs = [torch.zeros(shape, device=self._device) for shape in shapes.values()]
        outputs: list[list[int]] = [shapes["image"], [], [sidecar.channels]]
        self._outputs = [torch.zeros(shape, device=self._device) for shape in outputs]
        self._lock = threading.Lock()  # there is one set of them
        self._binding = self._session.io_binding()
        for name, tensor in zip(shapes, self._inputs, strict=True):
            self._binding.bind_input(name, "cuda", index, np.float32, tuple(tensor.shape), tensor.data_ptr())
        for name, tensor in zip(OUTPUTS, self._outputs, strict=True):
            self._binding.bind_output(name, "cuda", index, np.float32, tuple(tensor.shape), tensor.data_ptr())
        precision = " fp16" * sidecar.spec.half
        self.name = "TensorRT fp16" if provider == TENSORRT else f"ONNX Runtime cuda{precision}"

    def __call__(self, image: Array, second: Array) -> Step:
        """See :class:`livedream.runtimes.base.Session`."""
        import torch

        with self._lock:
            self._run(torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(second))
            gradient, strength, activity = (output.cpu().numpy() for output in self._outputs)
        return Step(cv2.merge(list(gradient[0])), float(strength), activity)

    def on_device(self, second: Array) -> DeviceGradient:
        """See :class:`livedream.runtimes.on_device.DeviceSession`."""
        import torch

        def run(image: torch.Tensor, given: torch.Tensor | None) -> torch.Tensor:
            assert given is not None
            with self._lock:
                self._run(image, given)
                return self._outputs[0].clone()

        return DeviceGradient(self, run, torch.from_numpy(second).to(self._device), recordable=False)

    def _run(self, image: torch.Tensor, second: torch.Tensor) -> None:
        import torch

        self._inputs[0].copy_(image)
        self._inputs[1].copy_(second)
        torch.cuda.current_stream(self._device).synchronize()  # ONNX Runtime runs on a stream of its own
        self._session.run_with_iobinding(self._binding)

    def features(self, image: Array) -> Array:
        """Features are taken once for a guide: there is no need for a GPU."""
        raise NotImplementedError


def has_cuda() -> bool:
    """Whether the installed package can use CUDA."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def _inference_session(path: Path, size: tuple[int, int], threads: int, providers: list[Any]) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(path, session_options(size, threads), providers=providers)


def session_options(size: tuple[int, int], threads: int) -> Any:
    """The options of a session for images of ``size`` (width, height)."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # Windows builds log their use
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    for name, side in zip(("width", "height"), size, strict=True):
        options.add_free_dimension_override_by_name(name, side)
    # Idle threads sleep: a spinning one takes its core from the display.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
