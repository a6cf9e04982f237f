"""An exported graph run by PyTorch is a runtime like the others, and its images may stay on the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from livedream.networks.objective import LAYER_L2, Objective
from livedream.runtimes import torch_graph
from livedream.runtimes.cuda_graphs import CudaGraphs
from livedream.runtimes.on_device import (
    DeviceSession,
    OnDevice,
    gives_gradients,
    gradient_on_device,
    runs_on_graphics,
)
from livedream.runtimes.torch_graph import TorchGraphSession
from tests.runtimes.conftest import LAYER, SIZE, FakeSession, cosine

ALL = LAYER_L2.weights(480)


@pytest.fixture
def session(graph, monkeypatch):
    monkeypatch.setattr(torch_graph, "choose_precision", lambda device: torch.float32)
    return TorchGraphSession(graph, SIZE[::-1], "cpu")


def planes(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def test_it_gives_the_gradient_of_autograd(session, reference, image):
    found, expected = session(image, ALL), reference.gradient(image, LAYER, LAYER_L2)
    assert found.gradient.shape == image.shape
    assert cosine(found.gradient, expected.gradient) > 0.9999
    assert found.strength == pytest.approx(expected.strength, rel=1e-3)
    np.testing.assert_allclose(found.activity, expected.activity, rtol=1e-3, atol=1e-5)
    assert session.name == "PyTorch graph cpu fp32"


def test_images_may_stay_on_the_device(session, image):
    assert isinstance(session, DeviceSession)
    some = Objective((3, 7)).weights(480)
    gradient = gradient_on_device(session, some)
    assert gradient.recordable
    found = gradient.run(planes(image), gradient.second)
    np.testing.assert_allclose(found[0].permute(1, 2, 0), session(image, some).gradient, atol=1e-5)
    assert gradient_on_device(session, ALL).key == gradient.key  # the same function of another second input


def test_a_second_input_is_uploaded_once(session):
    assert session.on_device(ALL).second is session.on_device(ALL).second
    for n in range(100):  # of arrays that may get each other's place in memory
        other = np.full_like(ALL, n)
        assert (session.on_device(other).second == n).all()
    assert len(session._seconds) <= 64


def test_it_is_captured_once_for_all_second_inputs(graph, image):
    captured = []

    def capture(x, step, second):
        captured.append(x.shape)
        return step

    session = TorchGraphSession(graph, SIZE[::-1], "cpu", graphs=CudaGraphs(capture))
    other = Objective((1,)).weights(480)
    for second in (ALL, other, ALL, other):
        session(image, second)
    assert captured == [(1, 3, *SIZE)]


def test_the_features_of_a_guide(graphs, reference, image):
    path = graphs / f"dreamnet-{LAYER}-features.onnx"
    found = TorchGraphSession(path, SIZE[::-1], "cpu").features(image)
    expected = reference.features(image, LAYER)
    assert found.shape == expected.shape
    assert cosine(found, expected) > 0.99


def test_it_can_be_compiled(graph, image, monkeypatch):
    modes = []

    def compile_(module, *, mode, dynamic):
        modes.append((mode, dynamic))
        return module

    monkeypatch.setattr(torch, "compile", compile_)
    session = TorchGraphSession(graph, SIZE[::-1], "cpu", compiled=True)
    assert session.name.startswith("PyTorch compiled cpu")
    assert session(image, ALL).gradient.shape == image.shape
    assert modes == [("default", False)]


def test_any_session_runs_for_a_device_through_the_host(image):
    gradient = gradient_on_device(FakeSession("fake", 2.0), ALL)
    assert not gradient.recordable
    found = gradient.run(planes(image), None)
    assert found.shape == (1, 3, *SIZE)
    assert (found == 2).all()


def test_a_session_is_tried_where_it_runs(session, image):
    assert gives_gradients(session, image, ALL)
    assert not gives_gradients(session, image, ALL * float("nan"))
    assert gives_gradients(FakeSession("of another kind"), image, ALL)


@pytest.mark.parametrize(
    ("device", "graphics"), [("cpu", False), ("cuda", True), ("cuda:1", True), ("mps", False)]
)
def test_whole_ticks_run_on_graphics_cards_only(backend, device, graphics):
    made = backend(device=device, runtime="pytorch-graph")
    assert isinstance(made, OnDevice)
    assert runs_on_graphics(made) is graphics
    assert not runs_on_graphics(FakeSession("no backend"))


def test_a_backend_gives_the_gradient_of_its_runtime_for_the_device(backend, reference, image):
    made = backend(runtime="pytorch-graph", wait=True)
    gradient = made.on_device(LAYER, SIZE[::-1], LAYER_L2)
    assert made.name.startswith("PyTorch graph cpu")
    found = gradient.run(planes(image), gradient.second)[0].permute(1, 2, 0).numpy()
    assert cosine(found, reference.gradient(image, LAYER, LAYER_L2).gradient) > 0.99


def test_until_then_autograd_gives_it(backend, fakes, reference, image):
    _, options = fakes
    made = backend(**options)  # no runtime at all
    gradient = made.on_device(LAYER, SIZE[::-1], LAYER_L2)
    found = gradient.run(planes(image), gradient.second)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(
        found, reference.gradient(image, LAYER, LAYER_L2).gradient, rtol=1e-4, atol=1e-5
    )


@pytest.mark.gpu
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_on_a_gpu_it_gives_the_gradient_of_autograd(graph, reference, image, compiled):
    session = TorchGraphSession(graph, SIZE[::-1], "cuda", compiled=compiled)
    for given in (image, 1 - image, image):
        expected = reference.gradient(given, LAYER, LAYER_L2).gradient
        assert cosine(session(given, ALL).gradient, expected) > 0.97
