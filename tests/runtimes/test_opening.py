"""A graph is opened in the first runtime that starts; a comparison puts the fastest first."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from livedream.errors import BackendError
from livedream.networks.graphs import GraphSpec
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes.base import Step
from livedream.runtimes.exporter import GraphFiles
from livedream.runtimes.opening import GraphOpener, trial
from livedream.runtimes.reference import Reference
from livedream.runtimes.registry import Runtimes
from tests.runtimes.conftest import LAYER, FakeExporter, FakeSession

KEY = GraphSpec("dreamnet", LAYER), (24, 16)
GUIDED = GraphSpec("dreamnet", LAYER, "guide"), (24, 16)


class Right(FakeSession):
    """Gives PyTorch's gradient."""

    def __init__(self, name, expected):
        super().__init__(name)
        self.expected = expected

    def __call__(self, image, second):
        return Step(self.expected, 1.0, np.ones(second.shape[1]))


def broken(path):
    raise BackendError("no units")


@pytest.fixture
def right(reference):
    image, _ = trial(KEY)
    return Right("Right", reference.gradient(image, LAYER, LAYER_L2).gradient)


@pytest.fixture
def opener(fakes, reference, tmp_path):
    """Makes openers over the fake runtimes, with their runtimes and their reports."""
    found, _ = fakes

    def make(*, pytorch=True, **sessions):
        found.update(sessions)
        runtimes, reports = Runtimes(found), []
        files = GraphFiles("dreamnet", None, "none", tmp_path, FakeExporter())
        loaded = Reference(lambda: reference)
        if pytorch:
            loaded.get()
        made = GraphOpener(
            files,
            runtimes,
            loaded,
            device="cpu",
            threads=1,
            report=lambda text, level: reports.append((text, level)),
        )
        return made, runtimes, reports

    return make


def test_the_first_runtime_that_starts_opens_it(opener):
    made, runtimes, reports = opener(a=broken, b=lambda path: FakeSession("B"))
    opened = made.open(KEY)
    assert (opened.session.name, opened.runtime) == ("B", "b")
    assert runtimes.names() == ["b"]
    assert reports == [("a disabled: no units", logging.ERROR)]


class Dead(FakeSession):
    def __call__(self, image, second):
        raise RuntimeError("no such operation")


class Small(FakeSession):
    def __call__(self, image, second):
        return Step(image[1:], 1.0, np.ones(3))


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (Dead("A"), f"it does not run {KEY[0].stem}: no such operation"),
        (Small("A"), f"it gives {KEY[0].stem} the shape (15, 24, 3) for an image of (16, 24, 3)"),
        (FakeSession("A", np.nan), f"it gives NaN for {KEY[0].stem}"),
    ],
    ids=["dead", "small", "nan"],
)
def test_one_that_starts_and_does_not_give_a_gradient_gives_way_too(opener, session, reason):
    made, _, reports = opener(a=lambda path: session, b=lambda path: FakeSession("B"))
    assert made.open(KEY).runtime == "b"
    assert reports == [(f"a disabled: {reason}", logging.ERROR)]


def test_without_any_there_is_none(opener):
    made, runtimes, _ = opener(a=broken)
    assert made.open(KEY) is None
    assert runtimes.names() == []


def test_a_comparison_leaves_out_what_disagrees_with_pytorch(opener, right):
    made, runtimes, reports = opener(
        wrong=lambda path: FakeSession("Wrong"), dead=broken, good=lambda path: right
    )
    made.calibrate(KEY)
    assert runtimes.names() == ["good"]
    assert {text.split(":")[0] for text, _ in reports} == {"dead disabled", "wrong disabled"}


def test_without_pytorch_the_runtime_in_full_precision_is_trusted(opener, right):
    made, runtimes, reports = opener(
        pytorch=False, openvino=lambda path: FakeSession("Wrong"), onnxruntime=lambda path: right
    )
    made.calibrate(KEY)
    assert runtimes.names() == ["onnxruntime"]
    assert reports[0][0].startswith("openvino disabled: its gradient disagrees with onnxruntime (cosine")


def test_a_graph_with_a_guide_is_compared_too(opener, reference):
    image, features = trial(GUIDED)
    expected = reference.gradient(image, LAYER, Objective(guide=Guide(features))).gradient
    made, runtimes, _ = opener(good=lambda path: Right("Right", expected))
    made.calibrate(GUIDED)
    assert runtimes.names() == ["good"]
    made, runtimes, _ = opener(good=lambda path: FakeSession("Wrong"))
    made.calibrate(GUIDED)
    assert runtimes.names() == []


def test_memory_is_measured(opener):
    class Large(FakeSession):
        def __init__(self, path):
            super().__init__("Large")
            self.weights = torch.ones(8 << 20)  # 32 MB

    made, _, _ = opener(large=Large)
    assert made.open(KEY).size_bytes > 16 << 20
