"""The soak's figures: slopes that are there are found, and those that are not, are not."""

from __future__ import annotations

import random

import pytest

from tests.soak.figures import Injected, Process, Sample, Soak, complaints, report, slope

EACH_S = 10
Life = list[tuple[float, float]]


def life(rate: float, hours: float, level: float = 200.0, noise: float = 2.0, since_s: float = 0.0) -> Life:
    """(seconds, MB) of a process that grows by so many MB an hour."""
    rng = random.Random(since_s)  # each life has noise of its own
    times = [since_s + n for n in range(0, int(hours * 3600), EACH_S)]
    return [(t, level + rate * (t - since_s) / 3600 + rng.gauss(0, noise)) for t in times]


@pytest.mark.parametrize("rate", [0.0, 1.0, -3.0])
def test_a_slope_is_found_within_its_error(rate: float) -> None:
    found = slope([life(rate, 2.0)])
    assert abs(found.mb_per_hour - rate) < 3 * found.error
    assert 0.1 < found.error < 0.6


def test_restarted_processes_have_levels_of_their_own() -> None:
    lives = [life(5.0, 0.2, level=100.0 * n, since_s=900.0 * n) for n in range(8)]
    found = slope(lives)
    assert abs(found.mb_per_hour - 5.0) < 3 * found.error
    assert found.error < 3.0


@pytest.mark.parametrize("lives", [[], [[]], [life(0.0, 0.01)], [life(0.0, 0.02)]])
def test_too_short_is_said(lives: list[Life]) -> None:
    assert str(slope(lives)) == "too short"


def soak(rate: float = 0.0, leaks: int = 0) -> Soak:
    found = Soak(seed=1, minutes=60)
    for n, (t, memory_mb) in enumerate(life(rate, 1.0)):
        show = Process(7, t, memory_mb, files=30 + leaks * n, threads=9)
        found.samples.append(Sample(t, {"show": show}, 8.0, 5, 40.0))
    return found


def test_a_healthy_run_has_no_complaints() -> None:
    assert complaints(soak()) == []


def test_a_leak_an_orphaned_fault_and_a_rising_count_are_complaints() -> None:
    found = soak(rate=40.0, leaks=1)
    found.faults = [Injected(60.0, "dream killed", 80.0, 2.0), Injected(120.0, "snapshot")]
    said = "\n".join(complaints(found))
    assert "not recovered from: snapshot" in said
    assert "dream killed" not in said
    assert "memory of show: +" in said
    assert "open files of show: 42 → 389" in said


def test_the_report_names_every_process_and_fault() -> None:
    found = soak()
    found.faults = [Injected(60.0, "dream killed", 80.0, 2.0)]
    text = report(found)
    assert "| show | " in text
    assert "| dream killed | 1 | 2.0 s, 2.0 s | 80 ms, 80 ms | 0 |" in text
