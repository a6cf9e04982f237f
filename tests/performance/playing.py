"""Plays a performance at one moment."""

from __future__ import annotations

import time

from livedream.performance.store import Performance


def until_read(performance: Performance, now: float, somebody: bool | None = None) -> list[tuple[str, bool]]:
    """Play at one moment until the disk has answered."""
    deadline = time.monotonic() + 30
    news = performance.step(now, somebody)
    while performance.busy and time.monotonic() < deadline:
        time.sleep(0.001)
        news += performance.step(now, somebody)
    return news
