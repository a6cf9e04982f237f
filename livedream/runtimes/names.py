"""The backends by name. No torch here: the command line lists them."""

#: All but ``pytorch`` run exported graphs (:mod:`livedream.runtimes.registry`).
BACKENDS = (
    "openvino",
    "openvino-fp32",
    "openvino-gpu",
    "onnxruntime",
    "onnxruntime-cuda",
    "tensorrt",
    "pytorch",
)
