"""A graph read into PyTorch computes what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch.utils._python_dispatch import TorchDispatchMode

from livedream.compile.export import export
from livedream.errors import BackendError
from livedream.networks.graphs import GraphSpec
from livedream.networks.objective import LAYER_L2
from livedream.runtimes.graph_module import read_graph
from livedream.runtimes.graph_operations import padded_convolution
from tests.runtimes.conftest import LAYER, SIZE, cosine

FORMS = ({}, {"pool_gradient": "soft"}, {"kind": "guide"}, {"kind": "features"})
NAMES = ("exact", "soft", "guide", "features")


def graph_path(graphs, form):
    return graphs / f"{GraphSpec('dreamnet', LAYER, **form).stem}.onnx"


def run_onnx(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(np.asarray(value)) for value in session.run(None, inputs)]


def random_inputs(path):
    free, rng = {"height": SIZE[0], "width": SIZE[1]}, np.random.default_rng(3)
    given = [(i.name, i.type.tensor_type.shape.dim) for i in onnx.load(path).graph.input]
    return {
        name: rng.random([free.get(dim.dim_param, dim.dim_value) for dim in dims], np.float32)
        for name, dims in given
    }


def small_model(nodes, inputs, output, constants=()):
    """A graph of ``nodes``; inputs and output are (name, shape), or (name, None, rank)."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs]
    graph = helper.make_graph(
        nodes,
        "small",
        values,
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1] or ["?"] * output[2])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model


@pytest.fixture
def read(tmp_path):
    """Reads a model into a module for a size (width, height)."""

    def read(model, size, **options):
        path = tmp_path / "graph.onnx"
        path.write_bytes(model.SerializeToString())
        return read_graph(path, size, **options)

    return read


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_it_computes_what_onnx_runtime_computes(graphs, form):
    path = graph_path(graphs, form)
    inputs = random_inputs(path)
    found = read_graph(path, SIZE[::-1])(*map(torch.from_numpy, inputs.values()))
    expected = run_onnx(path, inputs)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_in_half_precision_the_direction_is_kept(graphs, form):
    path = graph_path(graphs, form)
    inputs = random_inputs(path)
    found = read_graph(path, SIZE[::-1], precision=torch.bfloat16)(*map(torch.from_numpy, inputs.values()))
    expected = run_onnx(path, inputs)
    assert {value.dtype for value in found} == {torch.float32}
    assert cosine(found[0].numpy(), expected[0].numpy()) > 0.98
    if len(found) > 1:
        torch.testing.assert_close(found[1], expected[1], rtol=0.02, atol=0)
        assert cosine(found[2].numpy(), expected[2].numpy()) > 0.99


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_a_graph_exported_in_half_precision_runs_in_any(tmp_path, precision):
    spec = GraphSpec("dreamnet", LAYER, half=True)
    path = export(spec, folder=tmp_path)
    inputs = random_inputs(path)
    found = read_graph(path, SIZE[::-1], precision=precision)(*map(torch.from_numpy, inputs.values()))
    assert cosine(found[0].numpy(), run_onnx(path, inputs)[0].numpy()) > 0.98


def test_it_calls_few_functions(graph):
    module = read_graph(graph, SIZE[::-1])
    nodes = onnx.load(graph).graph.node
    assert sum(node.op == "call_function" for node in module.graph.nodes) < len(nodes)
    targets = [node.target for node in module.graph.nodes]
    rectified = sum(node.op_type == "Relu" for node in nodes)
    assert targets.count(F.relu_) == rectified
    assert targets.count(torch.ops.aten.threshold_backward.default) == rectified


def test_activations_have_their_channels_last(graph):
    module = read_graph(graph, SIZE[::-1])
    outputs = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, node):
            outputs[node] = super().run_node(node)
            return outputs[node]

    Recorder(module).run(*map(torch.from_numpy, random_inputs(graph).values()))
    for node, value in outputs.items():
        if node.target is F.conv2d and value.shape[1] > 1:
            assert value.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("form", FORMS, ids=NAMES)
def test_under_vmap_it_computes_the_same_for_each_image(graphs, form):
    path = graph_path(graphs, form)
    inputs = [torch.from_numpy(value) for value in random_inputs(path).values()]
    several = [torch.stack([value, value.flip(-1), 0.5 * value]) for value in inputs]
    module = read_graph(path, SIZE[::-1])
    found = torch.func.vmap(module)(*several)
    for n in range(3):
        for a, b in zip(found, module(*(value[n] for value in several)), strict=True):
            torch.testing.assert_close(a[n], b, rtol=1e-3, atol=1e-4)


def test_under_vmap_each_convolution_is_one_with_its_channels_last(graph):
    inputs = [torch.from_numpy(value) for value in random_inputs(graph).values()]
    module = read_graph(graph, SIZE[::-1])
    given = []

    class Convolutions(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten.convolution.default:
                given.append(args[0])
            return function(*args, **(kwargs or {}))

    with Convolutions():
        torch.func.vmap(module)(*(torch.stack([value] * 3) for value in inputs))
    targets = [node.target for node in module.graph.nodes]
    assert len(given) == targets.count(F.conv2d) + targets.count(padded_convolution)
    assert {len(x) for x in given} == {3}
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in given)


def test_sizes_are_computed_when_it_is_read(read):
    """The lower right quarter, repeated to the whole size, of an image of any size."""
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "axes"], ["size"], axis=0),
        helper.make_node("Div", ["size", "two"], ["half"]),
        helper.make_node("Slice", ["image", "half", "size", "axes"], ["quarter"]),
        helper.make_node("Concat", ["quarter", "quarter"], ["tall"], axis=2),
        helper.make_node("Concat", ["tall", "tall"], ["whole"], axis=3),
    ]
    constants = [("axes", np.array([2, 3])), ("two", np.array([2]))]
    model = small_model(nodes, [("image", [1, 3, "height", "width"])], ("whole", [1, 3, "h", "w"]), constants)
    for width, height in ((8, 6), (12, 4)):
        module = read(model, (width, height))
        image = torch.rand(1, 3, height, width)
        (found,) = module(image)
        assert torch.equal(found, image[:, :, height // 2 :, width // 2 :].repeat(1, 1, 2, 2))
        functions = {node.target for node in module.graph.nodes if node.op == "call_function"}
        assert len(functions) <= 3  # slices and concatenations, and nothing that computes a size


@pytest.mark.parametrize(
    ("kind", "attributes", "constants"),
    [
        ("Conv", {"pads": [0, 1, 2, 3], "strides": [1, 1]}, [("k", np.ones((4, 3, 3, 3), np.float32))]),
        ("Conv", {"pads": [1, 1, 1, 1], "group": 3}, [("k", np.ones((3, 1, 3, 3), np.float32))]),
        ("MaxPool", {"kernel_shape": [1, 3], "strides": [1, 2]}, []),
        ("Pad", {}, [("k", np.array([0, 0, 1, 2, 0, 0, 3, 0])), ("v", np.float32(-7.0))]),
        ("Gather", {"axis": 3}, [("k", np.arange(7, -1, -1))]),
        ("Slice", {}, [("a", np.array([5])), ("b", np.array([-99])), ("c", np.array([2])), ("d", [-2])]),
        ("ReduceMax", {"keepdims": 0}, [("k", np.array([0, 2, 3]))]),
        ("Clip", {}, [("low", np.float32(0.2)), ("high", np.float32(0.7))]),
        ("Expand", {}, [("k", np.array([2, 3, 6, 8]))]),
        ("Max", {}, [("k", np.float32(0.5))]),
        ("Pow", {}, [("k", np.float32(0.75))]),
        ("ArgMax", {"axis": 1, "keepdims": 0}, []),
    ],
)  # fmt: skip
def test_operations_do_the_same(read, kind, attributes, constants):
    names = ["image", *(name for name, _ in constants)]
    nodes = [helper.make_node(kind, names, ["found"], **attributes)]
    if kind == "ArgMax":
        nodes.append(helper.make_node("Cast", ["found"], ["number"], to=TensorProto.FLOAT))
    constants = [(name, np.asarray(value)) for name, value in constants]
    rank = {"ReduceMax": 1, "ArgMax": 3}.get(kind, 4)
    output = nodes[-1].output[0], None, rank
    model = small_model(nodes, [("image", [1, 3, 6, 8])], output, constants)
    image = np.random.default_rng(0).random((1, 3, 6, 8), np.float32)
    (expected,) = run_onnx(model.SerializeToString(), {"image": image})
    torch.testing.assert_close(read(model, (8, 6))(torch.from_numpy(image))[0], expected)


def test_a_graph_is_read_for_any_size(graph, reference):
    for width, height in ((64, 48), (33, 57)):
        image = np.random.default_rng(2).random((height, width, 3), np.float32)
        given = torch.from_numpy(image).permute(2, 0, 1)[None]
        gradient, strength, activity = read_graph(graph, (width, height))(given, torch.ones(1, 480, 1, 1))
        expected = reference.gradient(image, LAYER, LAYER_L2)
        assert cosine(gradient[0].permute(1, 2, 0).numpy(), expected.gradient) > 0.9999
        assert float(strength) == pytest.approx(expected.strength, rel=1e-3)
        np.testing.assert_allclose(activity, expected.activity, rtol=1e-3, atol=1e-5)


def test_another_size_than_a_graph_has_is_refused(read):
    model = small_model(
        [helper.make_node("Relu", ["image"], ["y"])], [("image", [1, 3, 37, 51])], ("y", None, 4)
    )
    with pytest.raises(BackendError, match="a graph for 51×37 pixels cannot be run at 64×48"):
        read(model, (64, 48))


def test_an_unknown_operation_is_named(read):
    nodes = [helper.make_node("Softplus", ["image"], ["y"])]
    model = small_model(nodes, [("image", [1, 3, 4, 4])], ("y", [1, 3, 4, 4]))
    with pytest.raises(BackendError, match="Softplus of this graph cannot be run"):
        read(model, (4, 4))


def test_a_damaged_file_is_one_clear_line(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(BackendError, match=r"broken\.onnx cannot be read as a graph"):
        read_graph(path, (4, 4))
