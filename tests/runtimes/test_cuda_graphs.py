"""Captured steps are replayed only where they do the same."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from livedream.networks.load import load_network
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes import cuda_graphs
from livedream.runtimes.cuda_graphs import MOST_GRAPHS, CaptureInPlace, CudaGraphs
from livedream.runtimes.pytorch import TorchBackend
from tests.runtimes.conftest import LAYER, cosine

CPU = torch.device("cpu")

CHANNELS = 480


def capture_features(x, step):
    """Replays the first result always, and holds nothing of the step, as a CUDA graph does."""
    results = step(x)
    return lambda x: tuple(result.clone() for result in results)


def test_a_step_is_captured_once_for_each_key():
    captured = []

    def capture(x, step):
        captured.append(step)
        return step

    graphs = CudaGraphs(capture)
    x = torch.ones(2)
    for _ in range(3):
        assert graphs("double", x, lambda x: (2 * x,))[0].tolist() == [2, 2]
        assert graphs("triple", x, lambda x: (3 * x, x))[0].tolist() == [3, 3]
    assert len(captured) == 2


def test_those_unused_for_the_longest_are_captured_again():
    captured = []

    def capture(x, step):
        captured.append(1)
        return step

    graphs = CudaGraphs(capture)
    for key in [*range(MOST_GRAPHS), 0, MOST_GRAPHS, 0]:
        graphs(key, torch.ones(1), lambda x: (x.clone(),))
    assert len(captured) == MOST_GRAPHS + 1
    graphs(1, torch.ones(1), lambda x: (x.clone(),))
    assert len(captured) == MOST_GRAPHS + 2


def test_where_nothing_can_be_captured_steps_simply_run(caplog):
    def capture(x, step):
        raise RuntimeError("no graphs on this driver")

    graphs = CudaGraphs(capture)
    assert graphs("key", torch.ones(1), lambda x: (2 * x,))[0].tolist() == [2]
    assert not graphs.working
    assert "CUDA graphs disabled: no graphs on this driver" in caplog.text


def test_a_guide_is_held_as_long_as_its_cuda_graph(reference, image):
    backend = TorchBackend(load_network("dreamnet"), CPU, torch.float32, graphs=CudaGraphs(capture_features))
    guide = Guide(np.random.default_rng().random((CHANNELS, 9), np.float32))
    held = weakref.ref(guide)
    backend.gradient(image, LAYER, Objective(guide=guide))
    del guide
    gc.collect()
    assert held() is not None


def test_another_guide_never_replays_the_one_before(reference, image):
    backend = TorchBackend(load_network("dreamnet"), CPU, torch.float32, graphs=CudaGraphs(capture_features))
    for _ in range(2):
        objective = Objective(guide=Guide(np.random.default_rng().random((CHANNELS, 9), np.float32)))
        found = backend.gradient(image, LAYER, objective)
        expected = reference.gradient(image, LAYER, objective)
        np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-4, atol=1e-4)


def test_another_emphasis_is_captured_no_second_time(reference, image):
    captured = []

    def capture(x, step, weights):
        captured.append(1)
        return step

    backend = TorchBackend(load_network("dreamnet"), CPU, torch.float32, graphs=CudaGraphs(capture))
    for n in range(3):
        objective = Objective((1, 40 * n), emphasis=np.linspace(0, n + 1, CHANNELS, dtype=np.float32))
        found = backend.gradient(image, LAYER, objective)
        expected = reference.gradient(image, LAYER, objective)
        np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-4, atol=1e-4)
    assert len(captured) == 1


@pytest.mark.gpu
def test_another_emphasis_on_a_gpu(image):
    graphs, plain = (
        TorchBackend(load_network("dreamnet"), torch.device("cuda"), cuda_graphs=on) for on in (True, False)
    )
    for n in range(3):
        objective = Objective(emphasis=np.linspace(n, 2, CHANNELS, dtype=np.float32))
        expected = plain.gradient(image, LAYER, objective).gradient
        assert cosine(graphs.gradient(image, LAYER, objective).gradient, expected) > 0.999


@pytest.mark.gpu
def test_a_replay_gives_the_gradient_of_the_new_image(image):
    graphs, plain = (
        TorchBackend(load_network("dreamnet"), torch.device("cuda"), cuda_graphs=on) for on in (True, False)
    )
    for given in (image, 1 - image, image):
        expected = plain.gradient(given, LAYER, LAYER_L2).gradient
        assert cosine(graphs.gradient(given, LAYER, LAYER_L2).gradient, expected) > 0.999
    assert graphs.name.endswith(" graph")


@pytest.mark.gpu
def test_a_new_guide_does_not_replay_the_old_one_on_a_gpu(image):
    graphs, plain = (
        TorchBackend(load_network("dreamnet"), torch.device("cuda"), cuda_graphs=on) for on in (True, False)
    )
    for _ in range(4):
        objective = Objective(guide=Guide(np.random.default_rng().random((CHANNELS, 9), np.float32)))
        expected = plain.gradient(image, LAYER, objective).gradient
        assert cosine(graphs.gradient(image, LAYER, objective).gradient, expected) > 0.999
        del objective


class PretendedCuda:
    """The parts of ``torch.cuda`` that a capture needs; nothing is recorded, and notes are taken."""

    def __init__(self):
        self.notes = []
        cuda = self

        class Stream:
            def __init__(self, priority=0):
                self.priority = priority

            def wait_stream(self, other):
                cuda.notes.append("wait")

        notes = self.notes

        class Graph:
            def __init__(self):
                self.replays = 0

            def capture_begin(self, pool, capture_error_mode):
                notes.append(f"capture in {pool}, {capture_error_mode}")

            def capture_end(self):
                notes.append("captured")

            def pool(self):
                return "the memory of the first"

            def replay(self):
                self.replays += 1

        self.Stream, self.CUDAGraph = Stream, Graph

    def current_stream(self):
        return self.Stream()

    def stream(self, stream):
        self.notes.append(f"on a stream of priority {stream.priority}")
        return nullcontext()


def test_a_tick_is_captured_without_a_trace_and_all_share_their_memory(monkeypatch):
    cuda = PretendedCuda()
    monkeypatch.setattr(cuda_graphs.torch, "cuda", cuda)
    capture, carried, seen = CaptureInPlace(), torch.ones(2), []

    def tick():
        seen.append(carried[0].item())
        carried.mul_(2)

    capture(tick, [carried])()
    assert seen == [1, 2, 4, 1]  # three times to warm up, then captured from where it was
    carried.fill_(1)
    capture(tick, [carried])
    assert seen[4:] == [1, 1]  # what comes later needs one run
    # PyTorch's few usual streams are shared with the transfers of other dreams.
    assert {note for note in cuda.notes if note.startswith("on a")} == {"on a stream of priority -1"}
    captures = [note for note in cuda.notes if note.startswith("capture in")]
    assert captures == ["capture in None, thread_local", "capture in the memory of the first, thread_local"]
