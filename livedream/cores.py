"""The processor cores that this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many there are; at least 1."""
    if hasattr(os, "sched_getaffinity"):  # on Linux: a container or taskset may leave some out
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
