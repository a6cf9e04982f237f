"""OpenVINO on an exported graph."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.errors import BackendError
from livedream.networks.objective import LAYER_L2
from livedream.runtimes.openvino import OpenVINOSession
from tests.runtimes.conftest import LAYER, SIZE, cosine

WEIGHTS = np.ones((1, 480, 1, 1), np.float32)
PX = SIZE[::-1]


@pytest.mark.parametrize(("half", "least"), [(True, 0.98), (False, 0.9999)])
def test_it_gives_pytorchs_gradient(graph, reference, image, half, least):
    session = OpenVINOSession(graph, PX, 1, half=half)
    found, expected = session(image, WEIGHTS), reference.gradient(image, LAYER, LAYER_L2)
    assert cosine(found.gradient, expected.gradient) > least
    assert found.strength == pytest.approx(expected.strength, rel=0.05)
    assert cosine(found.activity, expected.activity) > least
    assert session.name.startswith("OpenVINO cpu")


def test_a_result_is_the_callers(graph, image):
    session = OpenVINOSession(graph, PX, 1)
    first = session(image, WEIGHTS)
    copies = first.gradient.copy(), first.activity.copy()
    session(1 - image, WEIGHTS)
    np.testing.assert_array_equal(first.gradient, copies[0])
    np.testing.assert_array_equal(first.activity, copies[1])


@pytest.mark.parametrize("size", [(48, 64), (131, 75)])
def test_one_file_serves_every_size(graph, reference, size):
    image = np.random.default_rng(2).random((*size[::-1], 3), np.float32)
    found = OpenVINOSession(graph, size, 1, half=False)(image, WEIGHTS)
    assert cosine(found.gradient, reference.gradient(image, LAYER, LAYER_L2).gradient) > 0.9999


def test_features_are_the_layers_own(graphs, reference, image):
    session = OpenVINOSession(graphs / f"dreamnet-{LAYER}-features.onnx", PX, 1, half=False)
    np.testing.assert_allclose(
        session.features(image), reference.features(image, LAYER), rtol=1e-2, atol=1e-3
    )


def test_a_device_that_is_missing_is_refused(graph):
    with pytest.raises(BackendError, match="OpenVINO has no device ABACUS; possible: "):
        OpenVINOSession(graph, PX, 1, "ABACUS")
