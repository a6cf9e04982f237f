"""Graphs that are on disk are opened and run without PyTorch, which dreams what has to be exported first."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from livedream import extras
from livedream.errors import BackendError, MissingPackageError, OutOfMemoryError, UsageError
from livedream.networks.graphs import GraphSpec, neighbours
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes import exported, exporter, open_graphs, opening, registry
from livedream.runtimes import reference as references
from livedream.runtimes.base import Step
from livedream.runtimes.calibration import Measurement
from livedream.runtimes.exported import ExportedBackend, open_backend
from livedream.runtimes.open_graphs import OpenGraphs
from livedream.runtimes.reference import Reference, load_reference
from tests.runtimes.conftest import LAYER, SIZE, FakeExporter, FakeSession, cosine

PATIENCE_S = 60.0


def assert_pytorchs(found, reference, image):
    np.testing.assert_allclose(
        found.gradient, reference.gradient(image, LAYER, LAYER_L2).gradient, rtol=1e-4, atol=1e-4
    )


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    "objective",
    [
        LAYER_L2,
        Objective((3, 17)),
        Objective(pool_gradient="soft"),
        Objective(emphasis=np.linspace(0, 2, 480, dtype=np.float32)),
        Objective(words=np.linspace(-1, 2, 480, dtype=np.float32)),
        Objective(pool_gradient="soft", words=np.linspace(2, -1, 480, dtype=np.float32)),
    ],
    ids=["all", "channels", "soft", "emphasis", "words", "soft words"],
)
def test_a_runtime_gives_pytorchs_gradient(reference, backend, image, runtime, objective):
    fast = backend(runtime=runtime, wait=True)
    found, expected = fast.gradient(image, LAYER, objective), reference.gradient(image, LAYER, objective)
    assert cosine(found.gradient, expected.gradient) > 0.98  # OpenVINO may run in bf16
    assert np.abs(found.gradient).mean() == pytest.approx(1, rel=0.01)
    assert cosine(found.activity, expected.activity) > 0.99
    assert fast.name.startswith({"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[runtime])


def test_another_emphasis_with_each_step_opens_nothing_anew(reference, backend, image):
    fast = backend(runtime="onnxruntime", wait=True)
    fast.gradient(image, LAYER, LAYER_L2)
    opened = fast.graphs._store.opened()
    for n in range(3):
        emphasis = np.zeros(480, np.float32)
        emphasis[40 * n : 40 * n + 40] = 1 + n
        objective = Objective(emphasis=emphasis)
        found, expected = fast.gradient(image, LAYER, objective), reference.gradient(image, LAYER, objective)
        assert cosine(found.gradient, expected.gradient) > 0.999
    assert fast.graphs._store.opened() == opened


@pytest.mark.parametrize("count", [70, 400])
def test_a_guide_of_any_number_of_features(reference, backend, image, count):
    objective = Objective(guide=Guide(np.random.default_rng(0).random((480, count), np.float32)))
    found = backend(runtime="onnxruntime", wait=True).gradient(image, LAYER, objective).gradient
    expected = reference.gradient(image, LAYER, objective).gradient
    assert cosine(found, expected) > (0.999 if count == 70 else 0.5)


def test_features_come_from_a_graph_too(reference, backend, image):
    assert cosine(backend().features(image, LAYER), reference.features(image, LAYER)) > 0.99


def test_auto_uses_what_is_fastest_here(reference, backend, image):
    fast = backend(wait=True)
    found = fast.gradient(image, LAYER, LAYER_L2).gradient
    assert cosine(found, reference.gradient(image, LAYER, LAYER_L2).gradient) > 0.98
    assert "preparing" not in fast.name


def test_a_graph_on_disk_is_dreamt_from_the_first_gradient_on_and_without_pytorch(graphs, image):
    def load():
        raise AssertionError("PyTorch was loaded")

    sha256 = exported.weights_hash("dreamnet", None)
    fast = ExportedBackend(OpenGraphs(Reference(load), "dreamnet", None, sha256, folder=graphs))
    try:
        assert fast.opening(LAYER, SIZE[::-1], LAYER_L2)
        assert np.isfinite(fast.gradient(image, LAYER, LAYER_L2).gradient).all()
        assert not fast.opening(LAYER, SIZE[::-1], LAYER_L2)
        assert fast.name.startswith("OpenVINO")
        guide = Guide(fast.features(image, LAYER))
        assert np.isfinite(fast.gradient(image, LAYER, Objective(guide=guide)).gradient).all()
    finally:
        fast.close()


def exporting_after(event):
    class Slow(FakeExporter):
        def export(self, request):
            assert event.wait(PATIENCE_S)
            return super().export(request)

    return Slow()


def test_until_a_graph_is_exported_pytorch_dreams(reference, backend, fakes, image):
    found, options = fakes
    release = threading.Event()
    found["fake"] = lambda path: FakeSession("Fake")
    fast = backend(runtime="fake", **options | {"exporter": exporting_after(release)})
    fast.opening(LAYER, SIZE[::-1], LAYER_L2)  # loads PyTorch
    assert_pytorchs(fast.gradient(image, LAYER, LAYER_L2), reference, image)
    assert fast.name == f"{reference.name}, preparing a faster one"
    assert not fast.ready(LAYER, SIZE[::-1], LAYER_L2)
    release.set()
    until(lambda: fast.ready(LAYER, SIZE[::-1], LAYER_L2))
    assert (fast.gradient(image, LAYER, LAYER_L2).gradient == 1).all()
    assert fast.name == "Fake"


def test_what_is_prepared_is_ready_before_its_first_gradient(backend, fakes, image):
    found, options = fakes
    found["fake"] = lambda path: FakeSession("Fake")
    fast = backend(runtime="fake", **options)
    fast.prepare("parts", SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready("parts", SIZE[::-1], LAYER_L2))
    fast.gradient(image, "parts", LAYER_L2)
    assert fast.name == "Fake"


def test_the_neighbours_in_the_layer_list_are_exported_and_not_opened(backend, fakes, image):
    found, options = fakes
    found["fake"] = lambda path: opened.append(path.stem) or FakeSession("Fake")
    opened = []
    fast = backend(runtime="fake", **options)
    fast.prepare(LAYER, SIZE[::-1], LAYER_L2)
    folder = options["folder"]
    until(lambda: all((folder / f"dreamnet-{layer}.onnx").exists() for layer in ("edges", "patterns")))
    assert opened == [f"dreamnet-{LAYER}"]
    assert not (folder / "dreamnet-objects.onnx").exists()


def test_the_neighbours_are_the_layers_above_and_below_in_the_same_form():
    spec = GraphSpec("net", "b", "guide", "soft")
    found = neighbours(spec, ["a", "b", "c", "d"])
    assert found == [GraphSpec("net", "c", "guide", "soft"), GraphSpec("net", "a", "guide", "soft")]
    assert neighbours(GraphSpec("net", "x"), ["a", "b"]) == []
    assert neighbours(GraphSpec("net", "a"), ["a"]) == []


def test_what_gives_nan_later_gives_way_to_the_next(backend, fakes, image):
    found, options = fakes
    first = FakeSession("First")
    found["first"] = lambda path: first
    fast = backend(runtime="first", wait=True, **options)
    fast.gradient(image, LAYER, LAYER_L2)
    first.value = np.nan
    assert np.isnan(fast.gradient(image, LAYER, LAYER_L2).gradient).all()
    assert fast.drop("it produced NaN")
    assert fast.message == "first disabled: it produced NaN"
    assert np.isfinite(fast.gradient(image, LAYER, LAYER_L2).gradient).all()
    assert fast.name.startswith("PyTorch")
    assert not fast.drop("it produced NaN")


def test_what_stops_running_gives_way_at_once(reference, backend, fakes, image):
    class Lost(FakeSession):
        lost = False

        def __call__(self, image, second):
            if self.lost:
                raise RuntimeError("device lost")
            return super().__call__(image, second)

    found, options = fakes
    found["gpu"] = lambda path: Lost("Lost")
    fast = backend(runtime="gpu", wait=True, **options)
    fast.gradient(image, LAYER, LAYER_L2)
    Lost.lost = True
    assert_pytorchs(fast.gradient(image, LAYER, LAYER_L2), reference, image)
    assert fast.message == "gpu disabled: it stopped running: device lost"


def test_what_gives_another_shape_gives_way_to_the_next_at_once(backend, fakes, image):
    class Shrinking(FakeSession):
        small = False

        def __call__(self, image, second):
            step = super().__call__(image, second)
            return Step(step.gradient[1:], 1.0, step.activity) if self.small else step

    found, options = fakes
    shrinking = Shrinking("A")
    found |= {"a": lambda path: shrinking, "b": lambda path: FakeSession("B")}
    fast = backend(**options)
    fast.prepare(LAYER, SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready(LAYER, SIZE[::-1], LAYER_L2))
    fast.gradient(image, LAYER, LAYER_L2)
    assert fast.name == "A"
    shrinking.small = True
    assert fast.gradient(image, LAYER, LAYER_L2).gradient.shape == image.shape
    assert fast.name == "B"
    assert fast.message == f"a disabled: it stopped running: its gradient has the shape {(36, 51, 3)}"


def two_runtimes(fakes, monkeypatch):
    """Two fake runtimes, A and B, that calibration finds right, and fast in this order."""
    found, options = fakes
    found["a"] = lambda path: FakeSession("A")
    found["b"] = lambda path: FakeSession("B")
    times = {"a": Measurement(0.1, 1.0), "b": Measurement(0.2, 1.0)}
    monkeypatch.setattr(opening, "measure", lambda runs: times)
    return found, options


def test_a_runtime_dropped_while_it_fails_to_open_costs_no_other(backend, fakes, monkeypatch, image):
    found, options = two_runtimes(fakes, monkeypatch)
    fast = backend(wait=True, **options)
    fast.gradient(image, LAYER, LAYER_L2)
    assert fast.name == "A"

    def dropped_meanwhile(path):
        fast.drop("it produced NaN")
        raise BackendError("no memory")

    found["a"] = dropped_meanwhile
    fast.prepare("parts", SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready("parts", SIZE[::-1], LAYER_L2))
    fast.gradient(image, "parts", LAYER_L2)
    assert fast.name == "B"


def test_a_session_of_a_runtime_dropped_while_it_opened_is_not_used(backend, fakes, monkeypatch, image):
    found, options = two_runtimes(fakes, monkeypatch)
    fast = backend(wait=True, **options)
    fast.gradient(image, LAYER, LAYER_L2)
    assert fast.name == "A"

    def dropped_meanwhile(path):
        fast.drop("it produced NaN")
        return FakeSession("A")

    found["a"] = dropped_meanwhile
    fast.prepare("parts", SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready("parts", SIZE[::-1], LAYER_L2))
    fast.gradient(image, "parts", LAYER_L2)
    assert fast.name == "B"


def test_a_graph_that_cannot_be_exported_is_given_up_with_its_reason(reference, backend, fakes, image):
    found, options = fakes
    found["fake"] = lambda path: FakeSession("Fake")

    def refuse(request):
        raise BackendError("the operation aten.fft cannot be exported")

    options["exporter"].export = refuse
    fast = backend(runtime="fake", wait=True, **options)
    found = fast.gradient(image, LAYER, LAYER_L2)
    assert_pytorchs(found, reference, image)
    assert fast.message == f"{LAYER} runs in PyTorch: the operation aten.fft cannot be exported"
    assert fast.ready(LAYER, SIZE[::-1], LAYER_L2)  # as fast as it will ever be


def test_an_error_that_nobody_expected_does_not_keep_the_dream_waiting(backend, fakes, image, caplog):
    found, options = fakes
    found["fake"] = lambda path: 1 / 0
    fast = backend(runtime="fake", wait=True, **options)
    assert np.isfinite(fast.gradient(image, LAYER, LAYER_L2).gradient).all()
    assert fast.message == f"{LAYER} runs in PyTorch: division by zero"
    assert "ZeroDivisionError" in caplog.text


def test_closing_ends_the_wait_for_a_graph(reference, backend, fakes, image):
    found, options = fakes
    opening, release = threading.Event(), threading.Event()

    def slow(path):
        opening.set()
        assert release.wait(PATIENCE_S)
        return FakeSession("Slow")

    found["slow"] = slow
    fast = backend(runtime="slow", wait=True, **options)
    thread = threading.Thread(target=fast.gradient, args=(image, LAYER, LAYER_L2))
    thread.start()
    assert opening.wait(PATIENCE_S)
    closing = threading.Thread(target=fast.close)
    closing.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    release.set()
    closing.join(PATIENCE_S)
    fast.close()


def test_runtimes_are_compared_when_the_show_has_started_and_never_again(backend, fakes, monkeypatch, image):
    found, options = fakes
    times = {"a": Measurement(0.2, 1.0), "b": Measurement(0.1, 1.0)}
    measured = []
    monkeypatch.setattr(opening, "measure", lambda runs: measured.append(1) or times)
    monkeypatch.setattr(open_graphs, "COMPARE_AFTER_S", 0.0)
    found |= {"a": lambda path: FakeSession("A"), "b": lambda path: FakeSession("B")}
    first = backend(**options)
    first.prepare(LAYER, SIZE[::-1], LAYER_L2)

    def dreams_with(name, fast):
        fast.gradient(image, LAYER, LAYER_L2)
        return fast.name == name

    until(lambda: first.ready(LAYER, SIZE[::-1], LAYER_L2))
    until(lambda: dreams_with("B", first))
    first.close()
    second = backend(**options)
    second.prepare(LAYER, SIZE[::-1], LAYER_L2)
    until(lambda: second.ready(LAYER, SIZE[::-1], LAYER_L2))
    assert dreams_with("B", second)
    assert len(measured) == 1


def test_pytorch_is_loaded_in_the_background(fakes, reference, image):
    found, options = fakes
    loading, exporting = threading.Event(), threading.Event()

    def load():
        assert loading.wait(PATIENCE_S)
        return reference

    found["fake"] = lambda path: FakeSession("Fake")
    options["exporter"] = exporting_after(exporting)
    fast = ExportedBackend(OpenGraphs(Reference(load), "dreamnet", None, "none", runtime="fake", **options))
    try:
        assert fast.opening(LAYER, SIZE[::-1], LAYER_L2)
        assert fast.opening(LAYER, SIZE[::-1], LAYER_L2)
        loading.set()
        until(lambda: not fast.opening(LAYER, SIZE[::-1], LAYER_L2))
        assert_pytorchs(fast.gradient(image, LAYER, LAYER_L2), reference, image)
    finally:
        exporting.set()
        fast.close()


def test_without_pytorch_what_was_never_exported_is_refused_with_the_way_to_add_it(fakes, monkeypatch, image):
    found, options = fakes
    found["fake"] = lambda path: FakeSession("Fake")
    monkeypatch.setattr(exporter, "installed", lambda package: False)

    def missing(package, what):
        raise MissingPackageError(f"{what} needs {package}; to add it: COMMAND")

    monkeypatch.setattr(references, "require", missing)
    lazy = Reference(lambda: load_reference("dreamnet", None, "cpu", 1))
    fast = ExportedBackend(OpenGraphs(lazy, "dreamnet", None, "none", runtime="fake", **options))
    try:
        until(lambda: not fast.opening(LAYER, SIZE[::-1], LAYER_L2))
        with pytest.raises(MissingPackageError, match="dreaming dreamnet needs torch; to add it: COMMAND"):
            fast.gradient(image, LAYER, LAYER_L2)
        with pytest.raises(MissingPackageError, match="dreaming dreamnet"):
            fast.features(image, LAYER)
    finally:
        fast.close()


def test_without_openvino_onnx_runtime_dreams(monkeypatch, image):
    monkeypatch.setattr(registry, "installed", lambda package: package == "onnxruntime")
    fast = open_backend("dreamnet", None, device="cpu")
    try:
        assert np.isfinite(fast.gradient(image, LAYER, LAYER_L2).gradient).all()
        assert fast.name == "ONNX Runtime cpu"
    finally:
        fast.close()


def test_where_no_runtime_starts_pytorch_dreams_and_it_is_said(reference, backend, fakes, image):
    def broken(path):
        raise BackendError("no units")

    found, options = fakes
    found |= {"a": broken, "b": broken}
    fast = backend(**options)
    fast.prepare(LAYER, SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready(LAYER, SIZE[::-1], LAYER_L2))
    assert_pytorchs(fast.gradient(image, LAYER, LAYER_L2), reference, image)
    assert fast.message == "b disabled: no units"
    assert fast.name.startswith("PyTorch")


def test_without_anything_that_dreams_one_line_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(registry, "installed", lambda package: False)
    monkeypatch.setattr(exported, "installed", lambda package: False)
    with pytest.raises(MissingPackageError, match="needs OpenVINO, ONNX Runtime or PyTorch, and none is"):
        open_backend("dreamnet", None, device="cpu")


def test_an_unknown_backend_is_refused_by_name():
    with pytest.raises(UsageError, match="unknown backend 'abacus'; possible: auto, openvino"):
        open_backend("dreamnet", None, device="cpu", runtime="abacus")


@pytest.mark.full
def test_pytorch_by_name_is_always_ready(image):
    backend = open_backend("dreamnet", None, device="cpu", runtime="pytorch")
    assert backend.ready(LAYER, SIZE[::-1], LAYER_L2)
    assert not backend.opening(LAYER, SIZE[::-1], LAYER_L2)
    backend.prepare(LAYER, SIZE[::-1], LAYER_L2)
    assert backend.name.startswith("PyTorch cpu")
    backend.close()


@pytest.mark.parametrize("runtime", ["pytorch-graph", "tensorrt-rtx"])
def test_a_runtime_of_graphics_cards_needs_the_full_install(monkeypatch, runtime):
    monkeypatch.setattr(extras, "installed", lambda package: package != "torch")
    with pytest.raises(MissingPackageError, match=f"the backend {runtime} needs PyTorch"):
        open_backend("dreamnet", None, device="cpu", runtime=runtime)


def test_a_graph_that_finds_no_room_is_no_fault_of_its_runtime(backend, fakes, image):
    found, options = fakes
    room = []

    def open_fast(path):
        if not room:
            raise BackendError("fast cannot run it: Failed to allocate memory for requested buffer")
        return FakeSession("Fast")

    found["fast"] = open_fast
    made = backend(**options, wait=True)
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match=f"no room for {LAYER} at 51×37"):
            made.gradient(image, LAYER, LAYER_L2)
    room.append(1)
    made.make_room()
    assert made.gradient(image, LAYER, LAYER_L2).gradient.min() == 1.0
    assert made.name == "Fast"


def test_a_step_that_finds_no_room_is_no_fault_of_its_runtime(backend, fakes, image, monkeypatch):
    found, options = fakes
    session = FakeSession("Fast")
    found["fast"] = lambda path: session
    made = backend(**options, wait=True)
    made.gradient(image, LAYER, LAYER_L2)

    def full(*args):
        raise RuntimeError("std::bad_alloc")

    with monkeypatch.context() as patch:
        patch.setattr(FakeSession, "__call__", full)
        with pytest.raises(RuntimeError, match="bad_alloc"):
            made.gradient(image, LAYER, LAYER_L2)
    assert made.gradient(image, LAYER, LAYER_L2).gradient.min() == 1.0
    assert made.name == "Fast"
