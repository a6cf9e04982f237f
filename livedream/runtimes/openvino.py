"""OpenVINO, Intel's runtime: the fast one on CPUs, in bf16 where the processor has units for it, and on
Intel's graphics. Source: docs.openvino.ai, "CPU device"."""

from __future__ import annotations

import functools
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livedream.errors import BackendError
from livedream.frame import Array
from livedream.runtimes.base import Step

_CONVERTERS = "openvino.tools.ovc"


class OpenVINOSession:
    """An exported graph in OpenVINO for images of ``size`` (width, height).

    On ``device`` ``CPU`` or ``GPU``, in ``half`` precision if it can. Raises ``BackendError`` when OpenVINO
    has no such device.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], threads: int, device: str = "CPU", half: bool = True
    ) -> None:
        core = _core()
        if device != "CPU" and device not in core.available_devices:  # looking for them takes time
            raise BackendError(f"OpenVINO has no device {device}; possible: {core.available_devices}")
        precision, name = ("bf16", "BF16") if device == "CPU" else ("f16", "FP16")
        if not half or name not in core.get_property(device, "OPTIMIZATION_CAPABILITIES"):
            precision = "f32"
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if device == "CPU":
            options |= {"INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
        model = core.read_model(path)
        width, height = size
        model.reshape({"image": [1, 3, height, width]})
        self._outputs = [output.any_name for output in model.outputs]
        self._request = core.compile_model(model, device, options).create_infer_request()
        self._image = np.zeros((1, 3, height, width), np.float32)
        self._planes = list(self._image[0])
        self._lock = threading.Lock()  # there is one request, and one place for the image
        short = {"bf16": "bf16", "f16": "fp16", "f32": "fp32"}[precision]
        self.name = f"OpenVINO {device.lower()} {short}"

    def __call__(self, image: Array, second: Array) -> Step:
        """See :class:`livedream.runtimes.base.Session`."""
        with self._lock:
            cv2.split(image, self._planes)
            self._request.infer([self._image, second], share_inputs=True, share_outputs=True)
            found = dict(zip(self._outputs, self._request.output_tensors, strict=True))
            gradient = cv2.merge(list(found["gradient"].data[0]))
            return Step(gradient, float(found["strength"].data), np.array(found["activity"].data))

    def features(self, image: Array) -> Array:
        """See :class:`livedream.runtimes.base.Session`."""
        with self._lock:
            cv2.split(image, self._planes)
            self._request.infer([self._image], share_inputs=True, share_outputs=True)
            return np.array(self._request.get_output_tensor(0).data)


def has_gpu() -> bool:
    """Whether OpenVINO sees Intel graphics, which it calls GPU, or GPU.0 beside another."""
    return any(name.startswith("GPU") for name in _core().available_devices)


@functools.cache
def _core() -> Any:
    """OpenVINO, without its converters of models: they take longer to import than all the rest.

    They would also report their import over the internet; who wants them later gets them without that
    (``openvino.tools.ovc.telemetry_utils`` then uses an empty stub).
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    converters = sys.modules.get(_CONVERTERS)
    sys.modules[_CONVERTERS] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[_CONVERTERS]
        if converters is not None:
            sys.modules[_CONVERTERS] = converters
    return openvino.Core()
