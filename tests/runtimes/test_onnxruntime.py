"""ONNX Runtime on an exported graph, on the CPU and on a GPU."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from livedream.errors import BackendError
from livedream.networks.load import load_network
from livedream.networks.objective import LAYER_L2
from livedream.runtimes.onnxruntime import CUDA, OnnxRuntimeGpuSession, OnnxRuntimeSession
from livedream.runtimes.pytorch import TorchBackend
from tests.runtimes.conftest import LAYER, SIZE, cosine

WEIGHTS = np.ones((1, 480, 1, 1), np.float32)
PX = SIZE[::-1]


def test_it_gives_pytorchs_gradient(graph, reference, image):
    found = OnnxRuntimeSession(graph, PX, 1)(image, WEIGHTS)
    expected = reference.gradient(image, LAYER, LAYER_L2)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-2, atol=1e-3)
    assert found.strength == pytest.approx(expected.strength, rel=1e-3)
    np.testing.assert_allclose(found.activity, expected.activity, rtol=1e-2, atol=1e-4)


def test_features_are_the_layers_own(graphs, reference, image):
    session = OnnxRuntimeSession(graphs / f"dreamnet-{LAYER}-features.onnx", PX, 1)
    np.testing.assert_allclose(
        session.features(image), reference.features(image, LAYER), rtol=1e-2, atol=1e-3
    )


def test_a_provider_that_is_missing_is_refused(graph):
    with pytest.raises(BackendError, match="has no AbacusExecutionProvider"):
        OnnxRuntimeGpuSession(graph, PX, 1, "AbacusExecutionProvider")


@pytest.mark.gpu
@pytest.mark.skipif(
    CUDA not in onnxruntime.get_available_providers(), reason="this ONNX Runtime has no provider for CUDA"
)
def test_on_a_gpu_it_gives_the_cpus_gradient(graph, reference, image):
    session = OnnxRuntimeGpuSession(graph, PX, 1, CUDA)
    for given in (image, 1 - image, image):  # captured, then replayed
        found, expected = session(given, WEIGHTS), reference.gradient(given, LAYER, LAYER_L2)
        assert cosine(found.gradient, expected.gradient) > 0.999


@pytest.mark.gpu
def test_pytorch_on_a_gpu_gives_the_cpus_gradient(reference, image):
    backend = TorchBackend(load_network("dreamnet"), torch.device("cuda"), torch.float32)
    found = backend.gradient(image, LAYER, LAYER_L2).gradient
    assert cosine(found, reference.gradient(image, LAYER, LAYER_L2).gradient) > 0.999
