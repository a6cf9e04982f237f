"""The fast backend: PyTorch until a graph is ready, then the graph; what fails is disabled and reported."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from livedream.errors import BackendError, UsageError
from livedream.networks.graphs import GraphSpec
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes import opening
from livedream.runtimes.calibration import Measurement
from livedream.runtimes.exported import neighbours, open_backend
from livedream.runtimes.store import SessionStore
from tests.runtimes.conftest import CPU, LAYER, SIZE, FakeSession, cosine

PATIENCE_S = 60.0


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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


@pytest.mark.parametrize("count", [70, 400])
def test_a_guide_of_any_number_of_features(reference, backend, image, count):
    objective = Objective(guide=Guide(torch.rand(480, count)))
    found = backend(runtime="onnxruntime", wait=True).gradient(image, LAYER, objective)
    assert cosine(found, reference.gradient(image, LAYER, objective)) > (0.999 if count == 70 else 0.5)


def test_auto_uses_what_is_fastest_here(reference, backend, image):
    fast = backend(wait=True)
    found = fast.gradient(image, LAYER, LAYER_L2)
    assert cosine(found, reference.gradient(image, LAYER, LAYER_L2)) > 0.98
    assert "preparing" not in fast.name


def test_until_a_graph_is_ready_pytorch_dreams(reference, backend, fakes, image):
    found, options = fakes
    release = threading.Event()

    def slow(path):
        assert release.wait(PATIENCE_S)
        return FakeSession("Slow")

    found["slow"] = slow
    fast = backend(runtime="slow", **options)
    torch.testing.assert_close(
        fast.gradient(image, LAYER, LAYER_L2), reference.gradient(image, LAYER, LAYER_L2)
    )
    assert fast.name == f"{reference.name}, preparing a faster one"
    assert not fast.ready(LAYER, SIZE[::-1], LAYER_L2)
    release.set()
    until(lambda: fast.ready(LAYER, SIZE[::-1], LAYER_L2))
    assert fast.gradient(image, LAYER, LAYER_L2).eq(1).all()
    assert fast.name == "Slow"


def test_what_is_prepared_is_ready_before_its_first_gradient(backend, fakes, image):
    found, options = fakes
    found["fake"] = lambda path: FakeSession("Fake")
    fast = backend(runtime="fake", **options)
    fast.prepare("parts", SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready("parts", SIZE[::-1], LAYER_L2))
    fast.gradient(image, "parts", LAYER_L2)
    assert fast.name == "Fake"


def test_neighbours_in_the_layer_list_are_prepared(backend, fakes, image):
    found, options = fakes
    found["fake"] = lambda path: FakeSession("Fake")
    fast = backend(runtime="fake", **options)
    fast.gradient(image, LAYER, LAYER_L2)
    until(lambda: all(fast.ready(layer, SIZE[::-1], LAYER_L2) for layer in ("edges", "patterns")))
    assert not fast.ready("objects", SIZE[::-1], LAYER_L2)


def test_the_neighbours_are_the_layers_above_and_below_at_the_same_sizes():
    def spec(layer, width, **form):
        return GraphSpec("net", layer, width, 9, **form)

    held = [spec("c", 1), spec("b", 1), spec("b", 2, guide=True), spec("b", 3)]
    found = neighbours(held, ["a", "b", "c", "d"])
    assert found == [spec("c", 3), spec("c", 1), spec("a", 3), spec("a", 1)]
    assert neighbours([], ["a", "b"]) == []


def test_a_store_without_room_takes_no_neighbours(backend, fakes, image):
    found, options = fakes
    opened = []

    def fake(path):
        opened.append(path)
        return FakeSession("Fake")

    found["fake"] = fake
    fast = backend(runtime="fake", store=SessionStore(most_sessions=1), **options)
    fast.gradient(image, LAYER, LAYER_L2)
    until(lambda: fast.name == "Fake" or fast.gradient(image, LAYER, LAYER_L2) is None)
    fast.prepare("objects", SIZE[::-1], LAYER_L2)
    until(lambda: fast.ready("objects", SIZE[::-1], LAYER_L2))
    fast.close()
    assert len(opened) == 2


def test_what_gives_nan_later_gives_way_to_the_next(backend, fakes, image):
    found, options = fakes
    found["first"] = lambda path: FakeSession("First", torch.nan)
    fast = backend(runtime="first", wait=True, **options)
    assert not fast.gradient(image, LAYER, LAYER_L2).isfinite().any()
    assert fast.drop("it produced NaN")
    assert fast.message == "first disabled: it produced NaN"
    assert fast.gradient(image, LAYER, LAYER_L2).isfinite().all()
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
    torch.testing.assert_close(
        fast.gradient(image, LAYER, LAYER_L2), reference.gradient(image, LAYER, LAYER_L2)
    )
    assert fast.message == "gpu disabled: it stopped running: device lost"


def two_runtimes(fakes, monkeypatch):
    """Two fake runtimes, A and B, that calibration finds right, and fast in this order."""
    found, options = fakes
    found["a"] = lambda path: FakeSession("A")
    found["b"] = lambda path: FakeSession("B")
    times = {"a": Measurement(0.1, 1.0), "b": Measurement(0.2, 1.0)}
    monkeypatch.setattr(opening, "measure", lambda pytorch, runs, wait: (1.0, times))
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
    torch.testing.assert_close(found, reference.gradient(image, LAYER, LAYER_L2))
    assert fast.message == f"{LAYER} runs in PyTorch: the operation aten.fft cannot be exported"
    assert fast.ready(LAYER, SIZE[::-1], LAYER_L2)  # as fast as it will ever be


def test_an_error_that_nobody_expected_does_not_keep_the_dream_waiting(backend, fakes, image, caplog):
    found, options = fakes
    found["fake"] = lambda path: 1 / 0
    fast = backend(runtime="fake", wait=True, **options)
    assert fast.gradient(image, LAYER, LAYER_L2).isfinite().all()
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


def test_an_unknown_backend_is_refused_by_name():
    with pytest.raises(UsageError, match="unknown backend 'abacus'; possible: auto, openvino"):
        open_backend("dreamnet", None, CPU, runtime="abacus")


def test_pytorch_by_name_is_always_ready(image):
    backend = open_backend("dreamnet", None, CPU, runtime="pytorch")
    assert backend.ready(LAYER, SIZE[::-1], LAYER_L2)
    backend.prepare(LAYER, SIZE[::-1], LAYER_L2)
    assert backend.name.startswith("PyTorch cpu")
    backend.close()
