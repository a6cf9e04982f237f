"""How many multiplications and additions a graph takes: those of its convolutions and matrix products.

Everything else in it is adding, comparing and moving, and at the sizes of a dream below a hundredth.
"""

from __future__ import annotations

import json
import logging
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

Shape = Sequence[int]

#: Of convolutions: by how many of the first dimensions of the kernel an output value is not summed over. In
#: OpenVINO's the groups come first.
_OUTER = {"Convolution": 1, "GroupConvolution": 2, "Conv": 1}
_TRANSPOSED = {"ConvolutionBackpropData": 1, "GroupConvolutionBackpropData": 2, "ConvTranspose": 1}


def products(kind: str, first: Shape, second: Shape, output: Shape) -> int:
    """The multiplications of one operation, in OpenVINO's or ONNX's words, by its shapes; 0 for any other.

    Shapes are those of the image, the kernel and the result, or of two matrices and their product.
    """
    if kind in _OUTER:
        return math.prod(output) * math.prod(second[_OUTER[kind] :])
    if kind in _TRANSPOSED:  # each value of the image is spread over a kernel's reach
        return math.prod(first) * math.prod(second[_TRANSPOSED[kind] :])
    if kind in ("MatMul", "Gemm"):
        # Whichever of the two is transposed: m·k · k·n = (m·n)·k², in each of a stack of matrices.
        outer = math.prod(output[:-2])
        m_k, k_n, m_n = (math.prod(shape[-2:]) for shape in (first, second, output))
        return outer * m_n * math.isqrt(m_k * k_n // max(1, m_n))
    return 0


def count(path: Path, size: tuple[int, int]) -> int | None:
    """The floating-point operations of one run of the graph ``path`` at (width, height), two a product.

    None where neither OpenVINO nor ONNX Runtime is installed, which know the shapes inside, and where they
    cannot read the graph.
    """
    for counted in (_by_openvino, _by_onnxruntime):
        try:
            return 2 * counted(path, size)
        except ImportError:
            continue
        except Exception as error:  # each has exceptions of its own
            log.debug("%s does not count the operations of %s: %s", counted.__name__, path.name, error)
    return None


def _by_openvino(path: Path, size: tuple[int, int]) -> int:
    from livedream.bench.subjects import load_openvino

    width, height = size
    model = load_openvino().Core().read_model(path)
    model.reshape({"image": [1, 3, height, width]})
    total = 0
    for node in model.get_ops():
        kind = node.get_type_name()
        if kind in _OUTER or kind in _TRANSPOSED or kind == "MatMul":
            image, kernel = (list(node.input(n).get_partial_shape().to_shape()) for n in (0, 1))
            total += products(kind, image, kernel, list(node.output(0).get_partial_shape().to_shape()))
    return total


def _by_onnxruntime(path: Path, size: tuple[int, int]) -> int:
    """By a run with its profiler, which writes down every operation's shapes."""
    import onnxruntime

    free = {"width": size[0], "height": size[1]}
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")  # packed kernels have no shape
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        for name, value in free.items():
            options.add_free_dimension_override_by_name(name, value)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs = {
            value.name: np.zeros([free.get(side, side) for side in value.shape], np.float32)
            for value in session.get_inputs()
        }
        session.run(None, inputs)
        events: list[dict[str, Any]] = json.loads(Path(session.end_profiling()).read_text())
    return sum(_profiled(event.get("args", {})) for event in events)


def _profiled(found: dict[str, Any]) -> int:
    """The products of one event of ONNX Runtime's profile."""
    kind = found.get("op_name", "")
    if kind not in (*_OUTER, *_TRANSPOSED, "MatMul", "Gemm") or "output_type_shape" not in found:
        return 0
    given = [next(iter(shape.values())) for shape in found["input_type_shape"]]
    return products(kind, given[0], given[1], next(iter(found["output_type_shape"][0].values())))
