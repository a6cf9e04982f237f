"""Pictures and a small random teacher for the tests of the training."""

from __future__ import annotations

import pytest
import torch

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from tests.training.pictures import blobs
from training.pictures import Pictures


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    return Pictures(blobs(6), blobs(3, seed=1))


@pytest.fixture(scope="session")
def teacher() -> BvlcGoogLeNet:
    """The teacher's shape with random weights that keep the signal's size."""
    torch.manual_seed(0)
    network = BvlcGoogLeNet()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    return network
