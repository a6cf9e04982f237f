"""What is played does not depend on the install that the tests run in."""

from __future__ import annotations

import pytest

from livedream.networks import dreamable


@pytest.fixture(autouse=True)
def _as_in_a_full_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dreamable, "installed", lambda package: True)
