"""What one session of a room has opened is there for the others, and several may use it at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from livedream.errors import NetworkError
from livedream.networks.catalogue import network_info
from livedream.networks.objective import LAYER_L2, Objective
from livedream.room.networks import SharedNetworks
from livedream.runtimes.opening import GraphOpener

SIZE, LAYER = (64, 48), network_info("dreamnet").words["edges"]


@pytest.fixture
def opened(monkeypatch):
    """The graphs that are opened, in order."""
    found, really = [], GraphOpener.open

    def opening(self, key):
        if key[1] == SIZE:  # or another test's dream is just ending
            found.append(key)
        return really(self, key)

    monkeypatch.setattr(GraphOpener, "open", opening)
    return found


@pytest.fixture
def networks():
    with SharedNetworks("cpu", "auto", 1) as shared:
        yield shared


def images(count: int):
    rng = np.random.default_rng(0)
    return [rng.random((SIZE[1], SIZE[0], 3), np.float32) for _ in range(count)]


def test_each_graph_is_opened_once_for_all(networks, opened):
    first, second = networks.open("dreamnet"), networks.open("dreamnet")
    (image,) = images(1)
    one, other = (backend.gradient(image, LAYER, LAYER_L2) for backend in (first, second))
    np.testing.assert_array_equal(one.gradient, other.gradient)
    assert len(opened) == 1
    first.close()
    assert second.ready(LAYER, SIZE, LAYER_L2)
    assert second.gradient(image, LAYER, LAYER_L2).gradient.any()


def test_several_at_once_get_what_each_would_get_alone(networks):
    backends = [networks.open("dreamnet") for _ in range(4)]
    objectives = [Objective(channels=(n,)) for n in range(4)]

    def runs(n: int) -> list:
        return [backends[n].gradient(image, LAYER, objectives[n]).gradient for image in images(20)]

    alone = [runs(n) for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(runs, range(4)))
    np.testing.assert_array_equal(together, alone)


def test_nothing_is_downloaded(networks, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        NetworkError, match="the room has no weights of vgg16; on its machine: run: livedream"
    ):
        networks.open("vgg16")
