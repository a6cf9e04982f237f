"""Rates, pacing and percentiles, without a real clock."""

from __future__ import annotations

import pytest

from livedream.timing import Pacer, Percentiles, RateMeter, SectionTimer, overload, summarise


def test_percentiles_by_nearest_rank():
    assert summarise([]) == Percentiles()
    assert summarise([5, 1, 3]).p50 == 3
    assert summarise(range(100)) == Percentiles(50, 95, 99)


def test_the_rate_counts_only_the_last_seconds():
    meter = RateMeter(window_s=1.0)
    for n in range(100):
        meter.tick(n / 25)
    assert meter.rate(99 / 25) == pytest.approx(25, rel=0.05)
    assert meter.count == 100
    assert meter.rate(99 / 25 + 2) == 0.0


def test_the_pacer_keeps_its_rate_and_skips_missed_ticks():
    pacer = Pacer(10)
    due = [n / 100 for n in range(200) if pacer.due(n / 100)]
    assert len(due) == pytest.approx(20, abs=1)
    assert pacer.due(50.0)  # 48 s late
    assert not pacer.due(50.01)  # and no burst after it


def test_the_pacer_tells_how_long_to_wait():
    pacer = Pacer(10)
    assert pacer.due(1.0)
    assert 0 < pacer.wait_s(1.0) <= 0.1
    assert pacer.wait_s(2.0) == 0.0


def test_sections_are_summarised_by_name():
    timer = SectionTimer()
    for ms in (1, 2, 3):
        timer.add("flow", ms)
    with timer.section("ascent"):
        pass
    assert timer.summary()["flow"].p50 == 2
    assert set(timer.summary()) == {"flow", "ascent"}


@pytest.mark.parametrize(("load", "times"), [(0.0, 1.0), (6.0, 1.0), (12.0, 2.5), (80.0, 4.0)])
def test_things_take_longer_where_more_wants_to_run_than_can(monkeypatch, load, times):
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert overload() == times
