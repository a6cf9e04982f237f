"""A small graph of the shipped network, and runtimes that are none."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from livedream.compile.export import export
from livedream.networks.graphs import GraphSpec, weights_hash
from livedream.networks.load import load_network
from livedream.runtimes import registry
from livedream.runtimes.exported import ExportedBackend
from livedream.runtimes.exporter import Exporter
from livedream.runtimes.pytorch import TorchBackend

CPU = torch.device("cpu")
LAYER = "textures"
#: (height, width): odd, so that nothing divides evenly
SIZE = (37, 51)


class FakeSession:
    """Gives its ``value`` everywhere."""

    def __init__(self, name: str, value: float = 1.0) -> None:
        self.name, self.value = name, value

    def __call__(self, image, second):
        return torch.full_like(image, self.value)


class FakeExporter(Exporter):
    """Writes a file that only a fake runtime can open."""

    def export(self, request):
        path = Path(request.folder) / f"{request.spec.stem}.onnx"
        path.write_bytes(b"a graph")
        return path


def cosine(a, b):
    return float(torch.cosine_similarity(a.flatten(), b.flatten(), 0))


@pytest.fixture(scope="session")
def graphs(tmp_path_factory):
    """A folder with the graphs of the tests' layer at their size."""
    folder = tmp_path_factory.mktemp("graphs")
    for form in ({}, {"pool_gradient": "soft"}, {"guide": True}):
        export(GraphSpec("dreamnet", LAYER, SIZE[1], SIZE[0], **form), folder=folder)
    return folder


@pytest.fixture
def graph(graphs):
    return graphs / f"{GraphSpec('dreamnet', LAYER, SIZE[1], SIZE[0]).stem}.onnx"


@pytest.fixture(scope="session")
def reference():
    return TorchBackend(load_network("dreamnet"), CPU, torch.float32)


@pytest.fixture
def image():
    torch.manual_seed(1)
    return torch.rand(1, 3, *SIZE)


@pytest.fixture
def backend(reference, graphs):
    """Makes backends, and closes them."""
    with ExitStack() as stack:

        def make(**options):
            made = ExportedBackend(
                reference,
                "dreamnet",
                None,
                weights_hash("dreamnet", None),
                **{"folder": graphs, **options},
            )
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    """Replaces all runtimes: ``fakes["name"]`` opens a session, or raises, given the graph's path.

    What comes with it are the options of a backend that uses them, in this order.
    """
    found = {}
    monkeypatch.setattr(registry, "candidates", lambda device: list(found))
    monkeypatch.setattr(registry, "open_session", lambda name, path, threads: found[name](path))
    return found, {"folder": tmp_path, "exporter": FakeExporter()}
