"""The order of the runtimes follows from their times and their gradients."""

from __future__ import annotations

import math

import pytest
import torch

from livedream.runtimes.calibration import Measurement, measure, rank


def test_the_fastest_comes_first():
    ranking = rank(1.0, {"a": Measurement(0.5, 1.0), "b": Measurement(0.2, 0.99)})
    assert ranking.order == ["b", "a"]
    assert not ranking.excluded


def test_what_is_slower_than_pytorch_is_not_used():
    ranking = rank(1.0, {"a": Measurement(2.0, 1.0), "b": Measurement(1.1, 1.0)})
    assert ranking.order == ["b"]  # as fast, and it takes no time from the process
    assert not ranking.excluded


@pytest.mark.parametrize("cosine", [0.5, -1.0, math.nan])
def test_what_disagrees_with_pytorch_is_excluded(cosine):
    ranking = rank(1.0, {"a": Measurement(0.1, cosine), "b": Measurement(0.5, 1.0)})
    assert ranking.order == ["b"]
    assert ranking.excluded["a"].startswith("its gradient disagrees with PyTorch (cosine")


def test_what_does_not_run_is_excluded_with_its_reason():
    ranking = rank(1.0, {"a": Measurement(math.inf, math.nan, "it does not run: no units")})
    assert ranking == rank(1.0, {}).__class__([], {"a": "it does not run: no units"})


def test_measuring_compares_each_with_pytorch_and_survives_one_that_fails():
    gradient = torch.tensor([1.0, 2.0, 3.0])

    def broken():
        raise RuntimeError("no units")

    runs = {"same": lambda: gradient, "opposite": lambda: -gradient, "broken": broken}
    pytorch_s, measured = measure(lambda: gradient, runs)
    assert 0 < pytorch_s < math.inf
    assert measured["same"].cosine == pytest.approx(1.0)
    assert measured["opposite"].cosine == pytest.approx(-1.0)
    assert measured["broken"].error == "it does not run: no units"


def test_measuring_waits_for_the_gpu_after_each_run():
    gradient = torch.ones(3)
    waits = []
    measure(lambda: gradient, {"a": lambda: gradient}, lambda: waits.append(1))
    assert len(waits) == 20
