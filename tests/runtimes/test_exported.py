"""The fast backend: PyTorch until a graph is ready, then the graph; what fails is dropped, and said."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
import torch

from livedream.compile.export import export, verify
from livedream.errors import BackendError, UsageError
from livedream.networks.graphs import GraphSpec, Sidecar, weights_hash
from livedream.networks.load import load_network
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes import exported as exported_backend
from livedream.runtimes.exported import ExportedBackend, open_backend
from livedream.runtimes.pytorch import TorchBackend

CPU = torch.device("cpu")
LAYER = "textures"
#: (height, width): odd, so that nothing divides evenly
SIZE = (37, 51)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def reference():
    return TorchBackend(load_network("dreamnet"), CPU, torch.float32)


@pytest.fixture
def image():
    torch.manual_seed(1)
    return torch.rand(1, 3, *SIZE)


@pytest.fixture
def backend(reference, folder):
    """Makes backends, and closes them."""
    with ExitStack() as stack:

        def make(**options):
            sha256 = weights_hash("dreamnet", None)
            made = ExportedBackend(reference, "dreamnet", None, sha256, folder=folder, **options)
            stack.callback(made.close)
            return made

        yield make


def cosine(a, b):
    return float(torch.cosine_similarity(a.flatten(), b.flatten(), 0))


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    "objective", [LAYER_L2, Objective((3, 17)), Objective(pool_gradient="soft")], ids=str
)
def test_a_runtime_gives_pytorchs_gradient(reference, backend, image, runtime, objective):
    fast = backend(runtime=runtime, wait=True)
    found = fast.gradient(image, LAYER, objective)
    assert cosine(found, reference.gradient(image, LAYER, objective)) > 0.98  # OpenVINO may run in bf16
    assert found.abs().mean() == pytest.approx(1, rel=0.01)
    assert fast.name.startswith({"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[runtime])


def test_a_guide_of_any_number_of_features(reference, backend, image):
    objective = Objective(guide=Guide(torch.rand(480, 70)))
    found = backend(runtime="onnxruntime", wait=True).gradient(image, LAYER, objective)
    assert cosine(found, reference.gradient(image, LAYER, objective)) > 0.999


def test_until_a_graph_is_ready_pytorch_dreams(reference, backend, image, monkeypatch):
    opened = []

    def slow(*arguments):
        while not opened:
            time.sleep(0.01)
        return open_session(*arguments)

    open_session = exported_backend.open_session
    monkeypatch.setattr(exported_backend, "open_session", slow)
    fast = backend(runtime="onnxruntime")
    torch.testing.assert_close(
        fast.gradient(image, LAYER, LAYER_L2), reference.gradient(image, LAYER, LAYER_L2)
    )
    assert fast.name == f"{reference.name}, preparing a faster one"
    opened.append(True)
    deadline = time.monotonic() + 60
    while fast.name.startswith("PyTorch") and time.monotonic() < deadline:
        fast.gradient(image, LAYER, LAYER_L2)
    assert fast.name == "ONNX Runtime cpu"


def test_neighbours_in_the_layer_list_are_prepared(reference, backend, image):
    fast = backend(runtime="onnxruntime")
    deadline = time.monotonic() + 120
    wanted = {"textures", "edges", "patterns"}
    while {spec.layer for spec in fast._sessions} != wanted and time.monotonic() < deadline:
        fast.gradient(image, LAYER, LAYER_L2)
        time.sleep(0.05)
    assert {spec.layer for spec in fast._sessions} == wanted
    fast.gradient(image, "edges", LAYER_L2)
    assert fast.name == "ONNX Runtime cpu"


def test_a_full_cache_frees_what_was_unused_for_the_longest(reference, backend, monkeypatch):
    monkeypatch.setattr(exported_backend, "CACHE_ENTRIES", 2)
    fast = backend(runtime="onnxruntime", wait=True)
    for width in (40, 44, 48):
        fast.gradient(torch.rand(1, 3, 32, width), "edges", LAYER_L2)
    assert [spec.width for spec in fast._sessions] == [44, 48]


def test_a_runtime_that_does_not_start_gives_way_to_the_next(reference, backend, image, monkeypatch):
    monkeypatch.setattr(exported_backend, "candidates", lambda device: ["tensorrt", "onnxruntime"])
    fast = backend(wait=True)
    fast._calibrated = True
    fast.gradient(image, LAYER, LAYER_L2)
    assert fast.name == "ONNX Runtime cpu"


class Nonsense:
    name = "Nonsense"

    def __call__(self, image, second):
        return torch.full_like(image, torch.nan)


def test_calibration_leaves_out_what_gives_nonsense(reference, backend, image, monkeypatch):
    monkeypatch.setattr(exported_backend, "candidates", lambda device: ["openvino"])
    monkeypatch.setattr(exported_backend, "open_session", lambda *arguments: Nonsense())
    fast = backend(wait=True)
    found = fast.gradient(image, LAYER, LAYER_L2)
    assert found.isfinite().all()
    assert fast.name == reference.name
    assert "openvino is left out: its gradient is not PyTorch's" in fast.message


def test_what_gives_nan_later_is_dropped(reference, backend, image, monkeypatch):
    monkeypatch.setattr(exported_backend, "open_session", lambda *arguments: Nonsense())
    fast = backend(runtime="openvino", wait=True)
    assert not fast.gradient(image, LAYER, LAYER_L2).isfinite().any()
    fast.drop("it gave what is no number")
    assert fast.gradient(image, LAYER, LAYER_L2).isfinite().all()
    assert fast.message == "openvino is dropped: it gave what is no number"


def test_an_unknown_backend_is_refused_by_name():
    with pytest.raises(UsageError, match="unknown backend 'abacus'; possible: auto, openvino"):
        open_backend("dreamnet", None, CPU, runtime="abacus")


def test_an_export_is_checked_and_can_be_checked_again(tmp_path):
    path = export(GraphSpec("dreamnet", "edges", 61, 35), folder=tmp_path)
    assert Sidecar.read(path).tolerance["cosine"] > 0.9999
    assert verify(path)["relative_error"] < 1e-3
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match="its hash is not the sidecar's"):
        verify(path)


def test_an_export_that_is_not_autograds_leaves_nothing_behind(tmp_path, monkeypatch):
    from livedream.compile import convolutions as graph_convolutions
    from livedream.compile import decompositions as table

    def wrong(g, *rest):
        gradient, *nothing = graph_convolutions.convolution_backward(g, *rest)
        return gradient.flip(3), *nothing

    monkeypatch.setattr(table, "convolution_backward", wrong)
    with pytest.raises(Exception, match="does not match autograd"):
        export(GraphSpec("dreamnet", "edges", 61, 35), folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_network_that_cannot_be_exported_says_so(tmp_path):
    from livedream.runtimes.export_process import ExportWorker

    worker = ExportWorker()
    with pytest.raises(BackendError, match="unknown layer 'nope'"):
        worker.export(GraphSpec("dreamnet", "nope", 61, 35), None, tmp_path)
    assert worker.export(GraphSpec("dreamnet", "edges", 61, 35), None, tmp_path).is_file()
    worker.rest()
