"""How much shared memory the slots may take: writing to a slot that exceeds it kills the writer (SIGBUS)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from livedream.errors import OutputError
from livedream.frame import MAX_FRAME_BYTES
from livedream.ipc.slots import slot_bytes, slot_capacity
from livedream.sources.source import size_within

_FOLDER = "/dev/shm"
#: Smaller frames make no show.
_LEAST_FRAME_BYTES = 640 * 360 * 3


def free_bytes() -> int | None:
    """What is free in ``/dev/shm``; None where there is no such folder or it has no limit."""
    try:
        found = os.statvfs(_FOLDER)
    except (AttributeError, OSError):  # Windows and macOS keep their shared memory elsewhere
        return None
    return found.f_bavail * found.f_frsize if found.f_blocks else None


def frame_capacity(others: Iterable[int]) -> tuple[int, str]:
    """(bytes that the slot of the frames may hold, a warning when that is less than 4K).

    ``others`` are the capacities of all other slots, in bytes. Raises ``OutputError`` when there is too
    little shared memory for a show.
    """
    free = free_bytes()
    beside = sum(map(slot_bytes, others))
    full = beside + slot_bytes(MAX_FRAME_BYTES)
    if free is None or free >= full:
        return MAX_FRAME_BYTES, ""
    found = f"{_FOLDER} has {free // 10**6} MB free"
    helps = f"a larger {_FOLDER} helps (with docker: --shm-size=256m)"
    capacity = slot_capacity(free - beside)
    if capacity < _LEAST_FRAME_BYTES:
        least = beside + slot_bytes(_LEAST_FRAME_BYTES)
        raise OutputError(
            f"too little shared memory: {found}; expected {_mb(least)} MB, or {_mb(full)} MB for 4K; {helps}"
        )
    width, height = size_within(3840, 2160, capacity)
    return capacity, (
        f"little shared memory: {found}, 4K needs {_mb(full)} MB: frames larger than {width}×{height}"
        f" are scaled down; {helps}"
    )


def _mb(needed_bytes: int) -> int:
    return -(-needed_bytes // 10**6)
