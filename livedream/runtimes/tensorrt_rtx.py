"""TensorRT for RTX: NVIDIA's plugin for ONNX Runtime, which builds an engine in seconds, not minutes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livedream.errors import BackendError
from livedream.frame import Array
from livedream.runtimes.base import Step
from livedream.runtimes.onnxruntime import OUTPUTS, session_options


class TensorRtxSession:
    """An exported graph in TensorRT for RTX, by NVIDIA's plugin for ONNX Runtime, from and to the host.

    Source: nvidia.github.io/TensorRT-RTX-EP-ABI, "Installation". The plugin goes with the package
    ``onnxruntime``, not with ``onnxruntime-gpu``. Raises ``BackendError`` where it finds no graphics card.
    """

    name = "TensorRT RTX"

    def __init__(self, path: Path, size: tuple[int, int], threads: int) -> None:
        import onnxruntime

        plugin: Any = importlib.import_module("onnxruntime_ep_nv_tensorrt_rtx")
        if not hasattr(onnxruntime, "register_execution_provider_library"):
            raise BackendError(
                "this ONNX Runtime is too old for plugins; possible: onnxruntime 1.24 or newer"
            )
        provider = plugin.get_ep_name()
        if provider not in {device.ep_name for device in onnxruntime.get_ep_devices()}:  # once a process
            onnxruntime.register_execution_provider_library(provider, plugin.get_library_path())
        devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == provider]
        if not devices:
            raise BackendError("TensorRT RTX finds no graphics card; it needs an RTX 30 or newer")
        options = session_options(size, threads)
        options.add_provider_for_devices(devices[:1], {})
        self._session = onnxruntime.InferenceSession(path, sess_options=options)
        self._names = [given.name for given in self._session.get_inputs()]

    def __call__(self, image: Array, second: Array) -> Step:
        """See :class:`livedream.runtimes.base.Session`."""
        planes = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
        given = dict(zip(self._names, (planes, second), strict=True))
        gradient, strength, activity = self._session.run(OUTPUTS, given)
        return Step(cv2.merge(list(gradient[0])), float(strength), activity)

    def features(self, image: Array) -> Array:
        """Features are taken once for a guide: there is no need for a GPU."""
        raise NotImplementedError
