"""ONNX Runtime on an exported graph, on the CPU and on a GPU."""

from __future__ import annotations

import pytest
import torch

from livedream.errors import BackendError
from livedream.networks.load import load_network
from livedream.networks.objective import LAYER_L2
from livedream.runtimes.onnxruntime import CUDA, OnnxRuntimeGpuSession, OnnxRuntimeSession
from livedream.runtimes.pytorch import TorchBackend
from tests.runtimes.conftest import LAYER, cosine

WEIGHTS = torch.ones(1, 480, 1, 1)


def test_it_gives_pytorchs_gradient(graph, reference, image):
    found = OnnxRuntimeSession(graph, 1)(image, WEIGHTS)
    torch.testing.assert_close(found, reference.gradient(image, LAYER, LAYER_L2), rtol=1e-2, atol=1e-3)


def test_a_provider_that_is_missing_is_refused(graph):
    with pytest.raises(BackendError, match="has no AbacusExecutionProvider"):
        OnnxRuntimeGpuSession(graph, 1, "AbacusExecutionProvider")


@pytest.mark.gpu
def test_on_a_gpu_it_gives_the_cpus_gradient(graph, reference, image):
    session = OnnxRuntimeGpuSession(graph, 1, CUDA)
    for given in (image, 1 - image, image):  # captured, then replayed
        found = session(given.cuda(), WEIGHTS.cuda())
        assert cosine(found.cpu(), reference.gradient(given, LAYER, LAYER_L2)) > 0.999


@pytest.mark.gpu
def test_pytorch_on_a_gpu_gives_the_cpus_gradient(reference, image):
    backend = TorchBackend(load_network("dreamnet"), torch.device("cuda"), torch.float32)
    found = backend.gradient(image.cuda(), LAYER, LAYER_L2)
    assert cosine(found.cpu(), reference.gradient(image, LAYER, LAYER_L2)) > 0.999
