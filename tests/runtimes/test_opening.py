"""A graph is opened in the fastest runtime that starts and agrees with PyTorch."""

from __future__ import annotations

import logging

import pytest
import torch

from livedream.errors import BackendError
from livedream.networks.graphs import GraphSpec
from livedream.networks.objective import LAYER_L2, Guide, Objective
from livedream.runtimes.exporter import GraphFiles
from livedream.runtimes.opening import GraphOpener, Sample
from livedream.runtimes.registry import Runtimes
from tests.runtimes.conftest import LAYER, FakeExporter, FakeSession

SPEC = GraphSpec("dreamnet", LAYER, 24, 16)
CHANNELS = 480


class Right(FakeSession):
    """Gives PyTorch's gradient, so fast that it is always used."""

    def __init__(self, name, expected):
        super().__init__(name)
        self.expected = expected

    def __call__(self, image, second):
        return self.expected


def broken(path):
    raise BackendError("no units")


@pytest.fixture
def sample():
    torch.manual_seed(3)
    return Sample(torch.rand(1, 3, 16, 24), LAYER_L2, torch.ones(1, CHANNELS, 1, 1))


@pytest.fixture
def right(reference, sample):
    return Right("Right", reference.gradient(sample.image, LAYER, LAYER_L2))


@pytest.fixture
def opener(fakes, reference, tmp_path):
    """Makes openers over the fake runtimes, with their runtimes and their reports."""
    found, _ = fakes

    def make(calibrated, **sessions):
        found.update(sessions)
        runtimes, reports = Runtimes(found), []
        files = GraphFiles("dreamnet", None, "none", tmp_path, FakeExporter())
        made = GraphOpener(
            files,
            runtimes,
            reference,
            threads=1,
            calibrated=calibrated,
            report=lambda text, level: reports.append((text, level)),
        )
        return made, runtimes, reports

    return make


def test_the_first_runtime_that_starts_opens_it(opener):
    made, runtimes, reports = opener(True, a=broken, b=lambda path: FakeSession("B"))
    opened = made.open(SPEC, None)
    assert (opened.session.name, opened.runtime) == ("B", "b")
    assert runtimes.names() == ["b"]
    assert reports == [("a disabled: no units", logging.ERROR)]


def test_one_that_starts_and_does_not_run_gives_way_too(opener, sample):
    class Dead(FakeSession):
        def __call__(self, image, second):
            raise RuntimeError("out of memory")

    made, _, reports = opener(True, a=lambda path: Dead("A"), b=lambda path: FakeSession("B"))
    assert made.open(SPEC, sample).runtime == "b"
    assert reports == [(f"a disabled: it does not run {SPEC.stem}: out of memory", logging.ERROR)]


def test_a_spare_graph_is_opened_and_not_run(opener):
    ran = []

    class Counting(FakeSession):
        def __call__(self, image, second):
            ran.append(image)
            return super().__call__(image, second)

    made, _, _ = opener(True, a=lambda path: Counting("A"))
    assert made.open(SPEC, None).runtime == "a"
    assert ran == []


def test_without_any_there_is_none(opener):
    made, runtimes, _ = opener(True, a=broken)
    assert made.open(SPEC, None) is None
    assert runtimes.names() == []


def test_calibration_leaves_out_what_disagrees_with_pytorch(opener, sample, right):
    made, runtimes, reports = opener(
        False, nan=lambda path: FakeSession("NaN", torch.nan), dead=broken, good=lambda path: right
    )
    assert made.open(SPEC, sample).runtime == "good"
    assert runtimes.names() == ["good"]
    assert [text.split(":")[0] for text, _ in reports] == ["dead disabled", "nan disabled"]


def test_runtimes_are_compared_once(opener, sample, right):
    opens = []

    def opening(path):
        opens.append(path)
        return right

    def opening_wrong(path):
        compared.append(path)
        return FakeSession("Wrong", torch.nan)

    compared = []
    made, _, _ = opener(False, good=opening, wrong=opening_wrong)
    made.open(SPEC, sample)
    assert len(opens) == 1
    made.open(SPEC, sample)
    assert len(opens) == 2
    assert len(compared) == 1


def test_a_graph_with_a_guide_is_compared_too(opener, reference, sample):
    features = torch.rand(CHANNELS, 256)
    expected = reference.gradient(sample.image, LAYER, Objective(guide=Guide(features)))
    guided = Sample(sample.image, Objective(guide=Guide(torch.rand(CHANNELS, 3))), features)
    made, _, _ = opener(False, good=lambda path: Right("Right", expected))
    assert made.open(SPEC, guided).runtime == "good"
    made, _, _ = opener(False, good=lambda path: FakeSession("Wrong", torch.nan))
    assert made.open(SPEC, guided) is None


def test_memory_is_measured(opener):
    class Large(FakeSession):
        def __init__(self, path):
            super().__init__("Large")
            self.weights = torch.ones(8 << 20)  # 32 MB

    made, _, _ = opener(True, large=Large)
    assert made.open(SPEC, None).size_bytes > 16 << 20
