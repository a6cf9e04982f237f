"""The backends by name. No torch here: the command line lists them."""

#: All but ``pytorch`` run exported graphs (:mod:`livedream.runtimes.registry`).
BACKENDS = (
    "openvino",
    "openvino-fp32",
    "openvino-gpu",
    "onnxruntime",
    "pytorch-graph",
    "pytorch-compiled",
    "onnxruntime-cuda",
    "tensorrt",
    "tensorrt-rtx",
    "pytorch",
)
#: Those that need a graphics card on which PyTorch runs too.
ON_GRAPHICS = ("pytorch-graph", "pytorch-compiled", "onnxruntime-cuda", "tensorrt", "tensorrt-rtx")
