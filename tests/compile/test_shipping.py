"""The shipped graphs are dreamnet's, small, and open at any size in both runtimes."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from livedream.compile.export import build
from livedream.compile.shipping import Kernels, export_shipped, shipped_specs
from livedream.compile.tracing import reference
from livedream.files import file_hash
from livedream.networks import graphs
from livedream.networks.graphs import SHIPPED_DIR, GraphSidecar, GraphSpec, find_graph, weights_hash
from livedream.networks.load import load_network

SPECS = list(shipped_specs("dreamnet"))
#: (width, height)
SIZES = ((64, 36), (35, 61))
#: What the size of a picture is computed with, and nothing else here.
_OF_SIZES = {"Shape", "ShapeOf", "Range"}


def test_every_graph_that_the_mirror_asks_for_is_found_without_a_cache(tmp_path):
    sha256 = weights_hash("dreamnet", None)
    for spec in SPECS:
        path = find_graph(spec, sha256, tmp_path)
        assert path == SHIPPED_DIR / f"{spec.stem}.onnx", f"{spec.stem} has to be exported again"
        assert GraphSidecar.read(path).tolerance["cosine"] > 0.9999
    assert len({spec.layer for spec in SPECS}) == 5
    assert {(spec.kind, spec.pool_gradient) for spec in SPECS} >= {
        *(("gradient", "exact"), ("gradient", "soft"), ("guide", "exact"), ("features", "exact"))
    }


def test_they_are_small_and_nothing_else_is_shipped():
    files = {f"{spec.stem}{suffix}" for spec in SPECS for suffix in (".onnx", ".json")} | {"dreamnet.kernels"}
    assert {path.name for path in SHIPPED_DIR.iterdir()} == files
    assert sum(path.stat().st_size for path in SHIPPED_DIR.iterdir()) < 10e6


def kernels_of(model: onnx.ModelProto) -> set[bytes]:
    """The large constants of a model, as they count: in full precision."""
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return {a.astype(np.float32).tobytes() for a in arrays if a.dtype != np.int64 and a.size >= 64}


def gradient_of(model, image: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image, "weights": np.ones((1, 192, 1, 1), np.float32)})


def test_built_again_from_the_weights_a_graph_is_the_same():
    spec = GraphSpec("dreamnet", "edges")
    shipped = SHIPPED_DIR / f"{spec.stem}.onnx"
    again = build(spec, None)
    assert kernels_of(onnx.load(shipped)) == kernels_of(again)
    image = np.random.default_rng(0).random((1, 3, 61, 35), np.float32)
    for a, b in zip(
        gradient_of(str(shipped), image), gradient_of(again.SerializeToString(), image), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def expected():
    """PyTorch's gradients of edges, and the images, by size."""
    spec, network = GraphSpec("dreamnet", "edges"), load_network("dreamnet").truncate("edges")
    torch.manual_seed(0)
    images = {size: torch.rand(1, 3, *size[::-1]) for size in SIZES}
    weights = torch.ones(1, 192, 1, 1)
    return {size: (image.numpy(), reference(network, spec)(image, weights)) for size, image in images.items()}


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_opened_for_a_size_in_onnx_runtime_it_is_the_gradient_and_fixed(size, expected, tmp_path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    for name, value in zip(("width", "height"), size, strict=True):
        options.add_free_dimension_override_by_name(name, value)
    path = str(SHIPPED_DIR / "dreamnet-edges.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    image, values = expected[size]
    found = session.run(None, {"image": image, "weights": np.ones((1, 192, 1, 1), np.float32)})
    for a, b in zip(found, values, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-3, atol=1e-4)
    optimised = onnx.load(tmp_path / "optimised.onnx")
    assert not {node.op_type for node in optimised.graph.node} & (_OF_SIZES | {"Cast"})


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_opened_for_a_size_in_openvino_it_is_the_gradient_and_fixed(size, expected):
    pytest.importorskip("openvino")
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    core = openvino.Core()
    model = core.read_model(SHIPPED_DIR / "dreamnet-edges.onnx")
    model.reshape({"image": [1, 3, size[1], size[0]]})
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(model, "CPU", options)
    image, values = expected[size]
    found = compiled([image, np.ones((1, 192, 1, 1), np.float32)])
    for a, b in zip(found.values(), values, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-3, atol=1e-4)
    kinds = {node.get_rt_info()["layerType"].value for node in compiled.get_runtime_model().get_ops()}
    assert "Convolution" in kinds
    assert not kinds & (_OF_SIZES | {"Convert"})


def test_kernels_are_kept_once_and_in_half_precision_only_where_that_is_exact(tmp_path):
    kernel = np.arange(128, dtype=np.float32)
    precise = kernel + np.float32(1e-4)
    kernels = Kernels(tmp_path / "some.kernels")
    for name in ("a", "b"):
        arrays = {"k": kernel, "same": kernel, "precise": precise, "small": precise[:3]}
        graph = helper.make_graph(
            [helper.make_node("Concat", list(arrays), ["out"], axis=0)],
            "test",
            [],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, [128 * 3 + 3])],
            [numpy_helper.from_array(array, key) for key, array in arrays.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        kernels.take_out(model)
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    kernels.write()
    assert (tmp_path / "some.kernels").stat().st_size == 128 * 2 + 128 * 4
    for name in ("a", "b"):
        session = onnxruntime.InferenceSession(
            str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"]
        )
        (out,) = session.run(None, {})
        np.testing.assert_array_equal(out, np.concatenate([kernel, kernel, precise, precise[:3]]))


def test_the_shipped_graphs_are_written_checked_and_found(tmp_path, monkeypatch):
    only = [GraphSpec("dreamnet", "edges"), GraphSpec("dreamnet", "edges", "features")]
    monkeypatch.setattr("livedream.compile.shipping.shipped_specs", lambda network: iter(only))
    monkeypatch.setattr(graphs, "SHIPPED_DIR", tmp_path / "graphs")
    stages = []
    paths = export_shipped("dreamnet", tmp_path / "graphs", stages.append)
    assert stages[0] == "dreamnet-edges"
    sha256 = weights_hash("dreamnet", None)
    assert [find_graph(spec, sha256, tmp_path) for spec in only] == paths
    sidecar = GraphSidecar.read(paths[0])
    assert sidecar.kernels_sha256 == file_hash(tmp_path / "graphs" / "dreamnet.kernels")
    assert sidecar.made_by == "livedream models export dreamnet --shipped"
