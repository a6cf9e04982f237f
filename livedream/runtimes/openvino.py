"""OpenVINO, Intel's runtime: the fast one on CPUs, in bf16 where the processor has units for it, and on
Intel's graphics. Source: docs.openvino.ai, "CPU device"."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from livedream.errors import BackendError


class OpenVINOSession:
    """An exported graph in OpenVINO, on ``device`` ``CPU`` or ``GPU``, in ``half`` precision if it can.

    Raises ``BackendError`` when OpenVINO has no such device.
    """

    def __init__(self, path: Path, threads: int, device: str = "CPU", half: bool = True) -> None:
        core = _load().Core()
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


def installed() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("openvino") is not None


def has_gpu() -> bool:
    """Whether OpenVINO sees Intel graphics, which it calls GPU, or GPU.0 beside another."""
    return any(name.startswith("GPU") for name in _load().Core().available_devices)


def _load() -> Any:
    """The package, kept from reporting its import over the internet, as it does by default.

    Without ``openvino_telemetry`` it uses an empty stub (``openvino.tools.ovc.telemetry_utils``).
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
