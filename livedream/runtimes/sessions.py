"""The inference runtimes that can run an exported gradient, behind one small interface."""

from __future__ import annotations

import importlib.util
import logging
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.errors import BackendError
from livedream.networks.graphs import Sidecar

log = logging.getLogger(__name__)


class Session(ABC):
    """One exported gradient, ready to run at its size."""

    #: What the HUD shows: ``OpenVINO cpu bf16``.
    name: str

    @abstractmethod
    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        """The gradient for ``image``, fp32 (1, 3, H, W), and channel weights or a guide's features.

        The result belongs to the caller.
        """


def _openvino() -> Any:
    """OpenVINO, kept from reporting over the internet that it was imported, as it does by itself.

    Without that package it takes an empty stub instead (``openvino.tools.ovc.telemetry_utils``).
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OpenVINO(Session):
    """Intel's runtime: the fast path on CPUs, in bf16 where the processor has units for it, and on Intel's
    graphics. Source: docs.openvino.ai, "CPU device"."""

    def __init__(self, path: Path, threads: int, device: str = "CPU", half: bool = True) -> None:
        core = _openvino().Core()
        if device not in core.available_devices:
            raise BackendError(f"OpenVINO has no device {device}; possible: {core.available_devices}")
        precision, name = ("bf16", "BF16") if device == "CPU" else ("f16", "FP16")
        if not half or name not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
            precision = "f32"
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if device == "CPU":
            options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        self._request = core.compile_model(path, device, options).create_infer_request()
        short = {"bf16": "bf16", "f16": "fp16", "f32": "fp32"}[precision]
        self.name = f"OpenVINO {device.lower()} {short}"

    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        inputs = [image.contiguous().numpy(), second.contiguous().numpy()]
        self._request.infer(inputs, share_inputs=True, share_outputs=True)
        return torch.from_numpy(np.array(self._request.get_output_tensor(0).data))


class OnnxRuntime(Session):
    """ONNX Runtime on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        self._session = _onnx_session(path, threads, [("CPUExecutionProvider", {})])
        self._names = [given.name for given in self._session.get_inputs()]
        self.name = "ONNX Runtime cpu"

    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        inputs = [image.contiguous().numpy(), second.contiguous().numpy()]
        (gradient,) = self._session.run(["gradient"], dict(zip(self._names, inputs, strict=True)))
        return torch.from_numpy(gradient)


class OnnxRuntimeGpu(Session):
    """ONNX Runtime on an NVIDIA GPU, by CUDA (with a CUDA graph) or TensorRT; tensors never leave the GPU.

    Source: onnxruntime.ai, "CUDA Execution Provider", "Using CUDA Graphs".
    """

    def __init__(self, path: Path, threads: int, provider: str) -> None:
        import onnxruntime

        if provider not in onnxruntime.get_available_providers() or not torch.cuda.is_available():
            raise BackendError(f"this ONNX Runtime or this machine has no {provider}")
        onnxruntime.preload_dlls()  # CUDA and cuDNN as PyTorch brought them
        cuda = {
            "device_id": torch.cuda.current_device(),
            "cudnn_conv_algo_search": "EXHAUSTIVE",
            "prefer_nhwc": "1",
            "enable_cuda_graph": "1",
        }
        tensorrt = {
            "device_id": torch.cuda.current_device(),
            "trt_fp16_enable": True,
            "trt_cuda_graph_enable": True,
            "trt_engine_cache_enable": True,  # an engine takes minutes to build
            "trt_engine_cache_path": str(path.parent / "tensorrt"),
        }
        options = {"CUDAExecutionProvider": cuda, "TensorrtExecutionProvider": tensorrt}[provider]
        self._session = _onnx_session(path, threads, [(provider, options)])
        if provider not in self._session.get_providers():
            raise BackendError(f"{provider} does not start; see the log above")
        # A CUDA graph replays on the same addresses: inputs are copied into these tensors.
        shapes = {value.name: value.shape for value in self._session.get_inputs()}
        self._inputs = [torch.zeros(shape, device="cuda") for shape in shapes.values()]
        self._gradient = torch.zeros_like(self._inputs[0])
        self._strength = torch.zeros((), device="cuda")
        self._binding = self._session.io_binding()
        device = torch.cuda.current_device()
        for name, tensor in zip(shapes, self._inputs, strict=True):
            self._binding.bind_input(name, "cuda", device, np.float32, tuple(tensor.shape), tensor.data_ptr())
        for name, tensor in (("gradient", self._gradient), ("strength", self._strength)):
            self._binding.bind_output(
                name, "cuda", device, np.float32, tuple(tensor.shape), tensor.data_ptr()
            )
        kind = "TensorRT fp16" if provider.startswith("Tensorrt") else "ONNX Runtime cuda"
        self.name = kind + (" fp16" if Sidecar.read(path).spec.half and "cuda" in kind else "")

    def __call__(self, image: Tensor, second: Tensor) -> Tensor:
        for held, given in zip(self._inputs, (image, second), strict=True):
            held.copy_(given)
        torch.cuda.current_stream().synchronize()  # ONNX Runtime has a stream of its own
        self._session.run_with_iobinding(self._binding)
        return self._gradient.clone()


def _onnx_session(path: Path, threads: int, providers: list[Any]) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # Windows builds log their use
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Waiting threads sleep: a spinning one takes its core from the display.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=providers)


_PROVIDERS = {"onnxruntime-cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


def candidates(device: torch.device) -> list[str]:
    """The runtimes worth a calibration on ``device``, the likely fastest first, without PyTorch."""
    if device.type == "cuda":
        return ["onnxruntime-cuda"] if _has_cuda_provider() else []
    if device.type != "cpu":
        return []
    found = []
    if importlib.util.find_spec("openvino") is not None:
        # Intel's graphics are called GPU, or GPU.0 beside another.
        gpus = [name for name in _openvino().Core().available_devices if name.startswith("GPU")]
        found += ["openvino-gpu"] * bool(gpus) + ["openvino"]
    if importlib.util.find_spec("onnxruntime") is not None:
        found.append("onnxruntime")
    return found


def _has_cuda_provider() -> bool:
    if importlib.util.find_spec("onnxruntime") is None:
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def open_session(name: str, path: Path, threads: int) -> Session:
    """A runtime of :data:`livedream.networks.catalogue.BACKENDS` on an exported file.

    Raises ``BackendError`` when it cannot start.
    """
    try:
        if name == "openvino":
            return OpenVINO(path, threads)
        if name == "openvino-fp32":
            return OpenVINO(path, threads, half=False)
        if name == "openvino-gpu":
            return OpenVINO(path, threads, "GPU")
        if name == "onnxruntime":
            return OnnxRuntime(path, threads)
        return OnnxRuntimeGpu(path, threads, _PROVIDERS[name])
    except ImportError as error:
        raise BackendError(f"{name} is not installed: {error}") from error
    except BackendError:
        raise
    except Exception as error:  # the runtimes raise what they like
        raise BackendError(f"{name} cannot run {path.name}: {error}") from error
