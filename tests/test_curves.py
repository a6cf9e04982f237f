"""Decay agrees with itself however often it is applied."""

from __future__ import annotations

import math

import pytest

from livedream.curves import decay, half_life_s, smoothstep


def test_a_half_life_leaves_half():
    assert decay(2.0, 2.0) == pytest.approx(0.5)
    assert decay(2.0, 6.0) == pytest.approx(0.125)


def test_many_small_steps_leave_what_one_large_step_leaves():
    assert decay(1.5, 1 / 60) ** 90 == pytest.approx(decay(1.5, 1.5))


def test_the_ends_of_the_scale():
    assert decay(0.0, 0.1) == 0.0
    assert decay(0.0, 0.0) == 1.0
    assert decay(math.inf, 1e9) == 1.0


def test_a_half_life_from_what_a_period_keeps():
    assert decay(half_life_s(0.985, 1 / 30), 1 / 30) == pytest.approx(0.985)
    assert half_life_s(0.0, 1.0) == 0.0
    assert half_life_s(1.0, 1.0) == math.inf


def test_smoothstep_rises_from_0_to_1_and_stays():
    assert [smoothstep(x) for x in (-1, 0, 0.5, 1, 2)] == [0, 0, 0.5, 1, 1]
