"""Operations are counted as one would by hand, whichever runtime knows the shapes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from livedream.bench import operations
from livedream.bench.operations import count, products

WIDTH, HEIGHT = 10, 6
#: By hand: 4 channels of the same size, each from 3 channels by 3×3; back to 3 channels by 3×3; at each place
#: the product of a 3-vector with a 3×5 matrix.
CONVOLUTION = 4 * HEIGHT * WIDTH * 3 * 9
BACK = HEIGHT * WIDTH * 4 * 3 * 9
PRODUCT = HEIGHT * WIDTH * 3 * 5


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A tiny graph for any size."""
    onnx = pytest.importorskip("onnx", reason="needs the onnx package to write a graph")
    make = onnx.helper
    rng = np.random.default_rng(0)

    def constant(name, *shape):
        return onnx.numpy_helper.from_array(rng.random(shape, np.float32), name)

    def value(name, shape):
        return make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    nodes = [
        make.make_node("Conv", ["image", "kernel"], ["up"], pads=[1, 1, 1, 1]),
        make.make_node("Relu", ["up"], ["live"]),
        make.make_node("ConvTranspose", ["live", "back"], ["down"], pads=[1, 1, 1, 1]),
        make.make_node("Transpose", ["down"], ["last"], perm=[0, 2, 3, 1]),
        make.make_node("MatMul", ["last", "matrix"], ["product"]),
    ]
    model = make.make_model(
        make.make_graph(
            nodes,
            "tiny",
            [value("image", [1, 3, "height", "width"])],
            [value("product", [1, "height", "width", 5])],
            [constant("kernel", 4, 3, 3, 3), constant("back", 4, 3, 3, 3), constant("matrix", 3, 5)],
        ),
        opset_imports=[make.make_opsetid("", 18)],
        ir_version=10,
    )
    path = tmp_path_factory.mktemp("graph") / "tiny.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("kind", "first", "second", "output", "expected"),
    [
        ("Conv", (1, 3, 6, 10), (4, 3, 3, 3), (1, 4, 6, 10), CONVOLUTION),
        ("Convolution", (1, 3, 6, 10), (4, 3, 3, 3), (1, 4, 6, 10), CONVOLUTION),
        ("Conv", (1, 3, 6, 10), (4, 3, 3, 3), (1, 4, 3, 5), CONVOLUTION // 4),
        ("ConvTranspose", (1, 4, 6, 10), (4, 3, 3, 3), (1, 3, 6, 10), BACK),
        ("ConvolutionBackpropData", (1, 4, 6, 10), (4, 3, 3, 3), (1, 3, 6, 10), BACK),
        # depthwise: one channel each, in ONNX's form and in OpenVINO's
        ("Conv", (1, 8, 6, 10), (8, 1, 3, 3), (1, 8, 6, 10), 8 * 60 * 9),
        ("GroupConvolution", (1, 8, 6, 10), (8, 1, 1, 3, 3), (1, 8, 6, 10), 8 * 60 * 9),
        ("GroupConvolutionBackpropData", (1, 8, 6, 10), (8, 1, 1, 3, 3), (1, 8, 6, 10), 8 * 60 * 9),
        ("MatMul", (7, 3), (3, 5), (7, 5), 105),
        ("MatMul", (3, 7), (3, 5), (7, 5), 105),  # the first transposed
        ("MatMul", (2, 7, 3), (5, 3), (2, 7, 5), 210),  # the second, for each of two
        ("Gemm", (7, 3), (3, 5), (7, 5), 105),
        ("Relu", (7, 3), (7, 3), (7, 3), 0),
    ],
)
def test_products_of_one_operation(kind, first, second, output, expected):
    assert products(kind, first, second, output) == expected


@pytest.mark.parametrize(
    ("runtime", "counted"),
    [("openvino", operations._by_openvino), ("onnxruntime", operations._by_onnxruntime)],
)
def test_a_tiny_graph_is_counted_as_by_hand(runtime, counted, graph):
    pytest.importorskip(runtime)
    assert counted(graph, (WIDTH, HEIGHT)) == CONVOLUTION + BACK + PRODUCT
    assert counted(graph, (2 * WIDTH, HEIGHT)) == 2 * (CONVOLUTION + BACK + PRODUCT)


def test_every_product_is_two_operations(graph):
    assert count(graph, (WIDTH, HEIGHT)) == 2 * (CONVOLUTION + BACK + PRODUCT)


def test_without_openvino_onnx_runtime_counts(monkeypatch, graph):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert count(graph, (WIDTH, HEIGHT)) == 2 * (CONVOLUTION + BACK + PRODUCT)


def test_without_either_nobody_counts(monkeypatch, graph):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert count(graph, (WIDTH, HEIGHT)) is None


def test_a_damaged_graph_is_not_counted(tmp_path):
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"no graph")
    assert count(path, (WIDTH, HEIGHT)) is None
