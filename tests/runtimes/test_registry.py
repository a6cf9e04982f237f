"""Runtimes by name, and which of them are still used."""

from __future__ import annotations

import pytest
import torch

from livedream.errors import BackendError
from livedream.runtimes import onnxruntime, torch_graph
from livedream.runtimes.names import BACKENDS
from livedream.runtimes.registry import Runtimes, candidates, in_half, open_session
from tests.runtimes.conftest import SIZE


def test_what_is_tried_on_a_cpu_opens_a_graph(graph):
    found = candidates("cpu")
    assert found
    assert set(found) < set(BACKENDS)
    for name in found:
        assert open_session(name, graph, SIZE[::-1], 1).name


def test_nothing_is_tried_on_mps():
    assert candidates("mps") == []


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "pytorch"])
def test_every_runtime_refuses_a_file_that_is_no_graph(name, tmp_path):
    path = tmp_path / "none.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(BackendError):
        open_session(name, path, SIZE[::-1], 1)


def test_what_runs_no_graphs_is_refused(graph):
    with pytest.raises(BackendError, match="'abacus' runs no exported graphs"):
        open_session("abacus", graph, SIZE[::-1], 1)


def test_a_runtime_is_dropped_once():
    runtimes = Runtimes(["a", "b"])
    assert runtimes.drop("a")
    assert not runtimes.drop("a")
    assert runtimes.names() == ["b"]


def test_an_order_measured_before_a_drop_brings_nothing_back():
    runtimes = Runtimes(["a", "b", "c"])
    runtimes.drop("b")
    runtimes.keep(["c", "b", "a"])
    assert runtimes.names() == ["c", "a"]


def test_what_was_dropped_does_not_come_back():
    runtimes = Runtimes(["a", "b"])
    runtimes.drop("a")
    runtimes.add(["a", "b", "c"])
    assert runtimes.names() == ["b", "c"]


def test_on_nvidias_cards_pytorch_runs_graphs_and_onnx_runtime_is_compared(monkeypatch):
    monkeypatch.setattr(onnxruntime, "has_cuda", lambda: True)
    assert candidates("cuda:1") == ["pytorch-graph", "onnxruntime-cuda"]
    monkeypatch.setattr(onnxruntime, "has_cuda", lambda: False)
    assert candidates("cuda") == ["pytorch-graph"]


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_only_cards_without_bfloat16_need_other_graphs_for_pytorch(monkeypatch, precision):
    monkeypatch.setattr(torch_graph, "choose_precision", lambda device: precision)
    assert in_half("pytorch-graph", "cuda") is (precision == torch.float16)
    assert in_half("tensorrt", "cuda")
    assert not in_half("openvino", "cpu")
