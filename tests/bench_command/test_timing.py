"""Medians of things that take turns."""

from __future__ import annotations

import pytest

from livedream.bench.timing import LEAST_ROUNDS, MOST_ROUNDS, fastest_s, mean_ms, take_turns


def test_things_take_turns_after_two_runs_that_do_not_count(clock):
    order = []
    found = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 0.0, clock=clock)
    assert order == ["a", "b"] * (2 + LEAST_ROUNDS)
    assert found == {"a": pytest.approx(1.0), "b": pytest.approx(1.0)}


def test_the_median_ignores_one_slow_run():
    now_s, runs = 0.0, 0

    def run():
        nonlocal now_s, runs
        runs += 1
        now_s += 9.0 if runs == 5 else 0.5

    assert take_turns({"a": run}, 0.0, clock=lambda: now_s) == {"a": pytest.approx(500.0)}


@pytest.mark.parametrize(("seconds", "rounds"), [(0.0, LEAST_ROUNDS), (1e9, MOST_ROUNDS)])
def test_the_rounds_are_bounded(seconds, rounds, clock):
    runs = []
    take_turns({"a": lambda: runs.append(1)}, seconds, clock=clock)
    assert len(runs) == 2 + rounds


def test_nothing_to_measure_is_no_error(clock):
    assert take_turns({}, 1.0, clock=clock) == {}


def test_the_fastest_of_some_runs():
    now_s, durations = 0.0, iter((9.0, 3.0, 2.0, 4.0))

    def run():
        nonlocal now_s
        now_s += next(durations)

    assert fastest_s(run, 3, clock=lambda: now_s) == 2.0


def test_uneven_ticks_are_averaged_over_blocks():
    assert mean_ms([20.0, 2.0] * 6, 4) == 11.0
    assert mean_ms([1.0, 1.0, 300.0, 1.0, 1.0, 1.0], 2) == 1.0
    assert mean_ms([3.0, 5.0], 12) == 4.0
