"""What every page is told: parts with a revision each, written as JSON once for all pages."""

from __future__ import annotations

import json
from typing import Any


class State:
    """The newest of each part. A page is sent the parts whose revision it does not have yet."""

    def __init__(self) -> None:
        self._revision = 0
        self._data: dict[str, Any] = {}
        self._messages: dict[str, tuple[int, str]] = {}

    def put(self, part: str, data: Any, *, again: bool = False) -> bool:
        """Make ``data`` (JSON-able) the newest of a part; whether it is new. ``again``: send it anyway."""
        if part in self._data and self._data[part] == data and not again:
            return False
        self._revision += 1
        self._data[part] = data
        message = {"part": part, "revision": self._revision, "data": data}
        self._messages[part] = (self._revision, json.dumps(message, separators=(",", ":")))
        return True

    def since(self, seen: dict[str, int]) -> list[str]:
        """The messages that a page needs which has seen these revisions; they count as seen now."""
        found = []
        for part, (revision, text) in self._messages.items():
            if seen.get(part) != revision:
                seen[part] = revision
                found.append(text)
        return found


class Allowance:
    """How often somebody may do something: ``rate`` times a second on average, ``burst`` times at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.refused = 0
        self._rate, self._burst = rate, burst
        self._left, self._at = burst, now

    def take(self, now: float) -> bool:
        """Whether it may be done once more at ``now``, in seconds."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            self.refused += 1
            return False
        self._left -= 1
        return True
