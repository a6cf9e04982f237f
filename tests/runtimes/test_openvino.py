"""OpenVINO on an exported graph."""

from __future__ import annotations

import pytest
import torch

from livedream.errors import BackendError
from livedream.networks.objective import LAYER_L2
from livedream.runtimes.openvino import OpenVINOSession
from tests.runtimes.conftest import LAYER, cosine


@pytest.mark.parametrize(("half", "least"), [(True, 0.98), (False, 0.9999)])
def test_it_gives_pytorchs_gradient(graph, reference, image, half, least):
    session = OpenVINOSession(graph, 1, half=half)
    found = session(image, torch.ones(1, 480, 1, 1))
    assert cosine(found, reference.gradient(image, LAYER, LAYER_L2)) > least
    assert session.name.startswith("OpenVINO cpu")


def test_a_result_is_the_callers(graph, image):
    session = OpenVINOSession(graph, 1)
    first = session(image, torch.ones(1, 480, 1, 1))
    copy = first.clone()
    session(1 - image, torch.ones(1, 480, 1, 1))
    torch.testing.assert_close(first, copy, rtol=0, atol=0)


def test_a_device_that_is_missing_is_refused(graph):
    with pytest.raises(BackendError, match="OpenVINO has no device ABACUS; possible: "):
        OpenVINOSession(graph, 1, "ABACUS")
