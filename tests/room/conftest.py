"""A room without Ray: one process's sessions, open to all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livedream.frame import resize
from livedream.room.machine import Machine
from livedream.room.sessions import Sessions


@pytest.fixture
def room() -> Iterator[Sessions]:
    with Machine(device="cpu") as machine, Sessions(machine, open=True, name="backroom") as sessions:
        yield sessions


@pytest.fixture
def small(picture):
    return resize(picture, 128, 96)
