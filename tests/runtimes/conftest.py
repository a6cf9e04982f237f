"""A small graph of the shipped network, and runtimes that are none."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from livedream import places
from livedream.networks import graphs as networks_graphs
from livedream.networks.graphs import GraphSpec, weights_hash
from livedream.networks.load import load_network
from livedream.runtimes import registry
from livedream.runtimes.base import Step
from livedream.runtimes.exported import ExportedBackend
from livedream.runtimes.exporter import Exporter
from livedream.runtimes.open_graphs import OpenGraphs
from livedream.runtimes.reference import Reference

LAYER = "textures"
#: (height, width): odd, so that nothing divides evenly
SIZE = (37, 51)


class FakeSession:
    """Gives its ``value`` everywhere."""

    def __init__(self, name: str, value: float = 1.0) -> None:
        self.name, self.value = name, value

    def __call__(self, image, second):
        return Step(np.full_like(image, self.value), 1.0, np.ones(second.shape[1], np.float32))


class FakeExporter(Exporter):
    """Writes a file that only a fake runtime can open."""

    def export(self, request):
        path = Path(request.folder) / f"{request.spec.stem}.onnx"
        path.write_bytes(b"a graph")
        return path


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="session")
def graphs():
    """The folder of the shipped graphs."""
    return networks_graphs.SHIPPED_DIR


@pytest.fixture
def graph(graphs):
    return graphs / f"{GraphSpec('dreamnet', LAYER).stem}.onnx"


@pytest.fixture(scope="session")
def reference():
    trunk = load_network("dreamnet")  # which says what is missing without PyTorch
    import torch

    from livedream.runtimes.pytorch import TorchBackend

    return TorchBackend(trunk, torch.device("cpu"), torch.float32)


@pytest.fixture
def image():
    return np.random.default_rng(1).random((*SIZE, 3), np.float32)


@pytest.fixture
def backend(reference, graphs):
    """Makes backends, and closes them."""
    with ExitStack() as stack:

        def make(**options):
            made = ExportedBackend(
                OpenGraphs(
                    Reference(lambda: reference),
                    "dreamnet",
                    None,
                    weights_hash("dreamnet", None),
                    **{"folder": graphs, **options},
                )
            )
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    """Replaces all runtimes: ``fakes["name"]`` opens a session, or raises, given the graph's path.

    What comes with it are the options of a backend that uses them, in this order. No graph is on disk.
    """
    found = {}
    monkeypatch.setattr(networks_graphs, "SHIPPED_DIR", tmp_path / "nothing shipped")
    monkeypatch.setattr(places, "measured_dir", lambda: tmp_path / "measured")
    monkeypatch.setattr(registry, "candidates", lambda device: list(found))
    monkeypatch.setattr(registry, "slow_candidates", lambda device: [])
    monkeypatch.setattr(registry, "open_session", lambda name, path, *rest: found[name](path))
    return found, {"folder": tmp_path, "exporter": FakeExporter()}
