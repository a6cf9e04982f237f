"""Images and a random teacher for the tests of training."""

from __future__ import annotations

import pytest
import torch

from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from tests.training.images import blobs
from training.dataset import Dataset


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return Dataset(blobs(6), blobs(3, seed=1))


@pytest.fixture(scope="session")
def teacher() -> BvlcGoogLeNet:
    """The teacher's architecture with random weights that preserve the scale of the signal."""
    torch.manual_seed(0)
    network = BvlcGoogLeNet()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            torch.nn.init.zeros_(parameter)
    return network
