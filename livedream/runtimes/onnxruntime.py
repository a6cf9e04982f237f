"""ONNX Runtime, on the CPU and on NVIDIA GPUs (CUDA, TensorRT)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.errors import BackendError
from livedream.networks.graphs import GraphSidecar

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


class OnnxRuntimeSession:
    """An exported graph in ONNX Runtime on the CPU."""

    name = "ONNX Runtime cpu"

    def __init__(self, path: Path, threads: int) -> None:
        self._session = _inference_session(path, threads, [("CPUExecutionProvider", {})])
        self._names = [given.name for given in self._session.get_inputs()]

    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        inputs = [image.contiguous().numpy(), second.contiguous().numpy()]
        (gradient,) = self._session.run(["gradient"], dict(zip(self._names, inputs, strict=True)))
        return torch.from_numpy(gradient)


class OnnxRuntimeGpuSession:
    """An exported graph on an NVIDIA GPU, by CUDA (as a CUDA graph) or TensorRT; tensors stay on the GPU.

    Source: onnxruntime.ai, "CUDA Execution Provider", "Using CUDA Graphs". Raises ``BackendError`` where
    ``provider`` is missing or does not start.
    """

    def __init__(self, path: Path, threads: int, provider: str) -> None:
        import onnxruntime

        if provider not in onnxruntime.get_available_providers() or not torch.cuda.is_available():
            raise BackendError(f"this ONNX Runtime or this machine has no {provider}")
        onnxruntime.preload_dlls()  # PyTorch's own CUDA and cuDNN
        device = torch.cuda.current_device()
        cuda = {
            "device_id": device,
            "cudnn_conv_algo_search": "EXHAUSTIVE",
            "prefer_nhwc": "1",
            "enable_cuda_graph": "1",
        }
        tensorrt = {
            "device_id": device,
            "trt_fp16_enable": True,
            "trt_cuda_graph_enable": True,
            "trt_engine_cache_enable": True,  # an engine takes minutes to build
            "trt_engine_cache_path": str(path.parent / "tensorrt"),
        }
        options = {CUDA: cuda, TENSORRT: tensorrt}[provider]
        self._session = _inference_session(path, threads, [(provider, options)])
        if provider not in self._session.get_providers():
            raise BackendError(f"{provider} does not start; see the log above")
        # A CUDA graph replays on the same addresses: inputs are copied into these tensors.
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self._inputs = [torch.zeros(shape, device="cuda") for shape in shapes.values()]
        self._gradient = torch.zeros_like(self._inputs[0])
        self._strength = torch.zeros((), device="cuda")
        self._binding = self._session.io_binding()
        for name, tensor in zip(shapes, self._inputs, strict=True):
            self._binding.bind_input(name, "cuda", device, np.float32, tuple(tensor.shape), tensor.data_ptr())
        for name, tensor in (("gradient", self._gradient), ("strength", self._strength)):
            self._binding.bind_output(
                name, "cuda", device, np.float32, tuple(tensor.shape), tensor.data_ptr()
            )
        half = GraphSidecar.read(path).spec.half
        self.name = "TensorRT fp16" if provider == TENSORRT else "ONNX Runtime cuda" + " fp16" * half

    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        for bound, given in zip(self._inputs, (image, second), strict=True):
            bound.copy_(given)
        torch.cuda.current_stream().synchronize()  # ONNX Runtime runs on a stream of its own
        self._session.run_with_iobinding(self._binding)
        return self._gradient.clone()


def installed() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def has_cuda() -> bool:
    """Whether the installed package can use CUDA."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def _inference_session(path: Path, threads: int, providers: list[Any]) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # Windows builds log their use
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Idle threads sleep: a spinning one takes its core from the display.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=providers)
