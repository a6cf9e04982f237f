"""The order of the runtimes follows from their times and their gradients, and is measured once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from livedream.runtimes import calibration
from livedream.runtimes.calibration import Measurement, Ranking, measure, rank, remember, remembered


def test_the_fastest_comes_first():
    ranking = rank({"a": Measurement(0.5, 1.0), "b": Measurement(0.2, 0.99)})
    assert ranking == Ranking(["b", "a"], {})


def test_what_is_slower_than_pytorch_is_not_used():
    pytorch = {"pytorch": Measurement(1.0, 1.0)}
    ranking = rank({"a": Measurement(2.0, 1.0), "b": Measurement(1.1, 1.0)} | pytorch)
    assert ranking == Ranking(["b"], {})  # as fast, and it takes no time from the process


@pytest.mark.parametrize("cosine", [0.5, -1.0, math.nan])
@pytest.mark.parametrize("judge", ["pytorch", "onnxruntime"])
def test_what_disagrees_with_the_trusted_one_is_excluded(cosine, judge):
    found = {"a": Measurement(0.1, cosine), "b": Measurement(0.5, 1.0), judge: Measurement(0.6, 1.0)}
    ranking = rank(found)
    assert ranking.order[0] == "b"
    assert ranking.excluded["a"].startswith(f"its gradient disagrees with {judge} (cosine")


def test_what_does_not_run_is_excluded_with_its_reason():
    ranking = rank({"a": Measurement(math.inf, math.nan, "it does not run: no units")})
    assert ranking == Ranking([], {"a": "it does not run: no units"})


@pytest.mark.parametrize("judge", ["pytorch", "onnxruntime"])
def test_measuring_compares_each_with_the_trusted_one_and_survives_one_that_fails(judge):
    gradient = np.array([1.0, 2.0, 3.0])

    def broken():
        raise RuntimeError("no units")

    runs = {"opposite": lambda: -gradient, "broken": broken, judge: lambda: gradient}
    measured = measure({name: lambda run=run: run for name, run in runs.items()} | {"missing": broken})
    assert 0 < measured[judge].time_s < math.inf
    assert measured[judge].cosine == pytest.approx(1.0)
    assert measured["opposite"].cosine == pytest.approx(-1.0)
    assert measured["broken"].error == measured["missing"].error == "no units"


def test_alone_a_runtime_is_judged_by_being_finite():
    assert rank(measure({"a": lambda: lambda: np.ones(3)})).order == ["a"]
    assert rank(measure({"a": lambda: lambda: np.full(3, np.nan)})).order == []


def test_an_order_is_remembered_for_each_network(tmp_path):
    file = tmp_path / "measured" / "runtimes.json"
    assert remembered(file, "dreamnet") == []
    remember(file, "dreamnet", ["b", "a"])
    remember(file, "vgg16", ["a"])
    assert remembered(file, "dreamnet") == ["b", "a"]
    assert remembered(file, "vgg16") == ["a"]
    assert remembered(file, "resnet50") == []


def test_another_version_of_a_runtime_is_measured_again(tmp_path, monkeypatch):
    file = tmp_path / "runtimes.json"
    remember(file, "dreamnet", ["a"])
    monkeypatch.setattr(calibration.metadata, "version", lambda name: "99.0")
    assert remembered(file, "dreamnet") == []
    remember(file, "vgg16", ["b"])
    assert remembered(file, "dreamnet") == []
    assert remembered(file, "vgg16") == ["b"]


@pytest.mark.parametrize("text", ["", "[", "[]", '{"machine": 3}', '{"machine": "x", "orders": []}'])
def test_a_damaged_file_is_measured_again(tmp_path, text):
    file = tmp_path / "runtimes.json"
    file.write_text(text)
    assert remembered(file, "dreamnet") == []
    remember(file, "dreamnet", ["a"])
    assert remembered(file, "dreamnet") == ["a"]


def test_where_nothing_can_be_written_the_show_goes_on(tmp_path, caplog):
    (tmp_path / "file").touch()
    remember(tmp_path / "file" / "runtimes.json", "dreamnet", ["a"])
    assert "the order of the runtimes is not kept" in caplog.text
