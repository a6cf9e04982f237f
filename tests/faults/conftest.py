"""A row for each fault: what was injected, the longest gap in pictures, the time until all was well."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

_ROWS: list[str] = []


@pytest.fixture
def row() -> Callable[..., None]:
    """Adds a row to the table at the end of the tests."""

    def add(fault: str, injected: str, gap_s: float | None, recovery_s: float | None) -> None:
        gap, recovery = ("–" if s is None else f"{s:.1f} s" for s in (gap_s, recovery_s))
        _ROWS.append(f"| {fault} | {injected} | {gap} | {recovery} |")

    return add


#: What a small mirror needs for its first picture on two cores that have nothing else to do.
_FIRST_PICTURE_S = 1.5


@pytest.fixture
def slowness() -> Callable[[float], float]:
    """How many times longer than on an idle machine things take now, where the first picture took so long."""
    return lambda first_s: max(1.0, first_s / _FIRST_PICTURE_S, os.getloadavg()[0] / (os.cpu_count() or 1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _ROWS:
        terminalreporter.section("faults")
        for line in ("| fault | injected | longest gap | recovery |", "| --- | --- | --- | --- |", *_ROWS):
            terminalreporter.write_line(line)
