"""What has failed since the show began: each kind of fault, how often, and when last."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Fault:
    """A kind of fault, such as "dream hung".

    ``last_at`` is when it last happened by the wall clock (seconds since 1970), to be shown; ``last_s`` is
    that by the show's own clock, which nobody sets, to judge how long ago it was.
    """

    kind: str
    count: int
    last_at: float
    last_s: float = 0.0


class Faults:
    """Counts faults by kind. ``wall_clock`` is the system's, but in tests."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._faults: dict[str, Fault] = {}

    def add(self, kind: str, now_s: float, count: int = 1) -> None:
        """``count`` faults of this kind happened, the last at ``now_s`` by the show's clock."""
        fault = self._faults.get(kind, Fault(kind, 0, 0.0))
        self._faults[kind] = replace(
            fault, count=fault.count + count, last_at=self._wall_clock(), last_s=now_s
        )

    def counted(
        self, counts: Mapping[str, int], before: Mapping[str, int], now_s: float
    ) -> Mapping[str, int]:
        """Add what a process has counted itself since it had counted ``before``; returns ``counts``."""
        if counts != before:
            for kind, count in counts.items():
                if (new := count - before.get(kind, 0)) > 0:
                    self.add(kind, now_s, new)
        return counts

    def as_list(self) -> list[Fault]:
        """Every kind that has happened, the last first."""
        return sorted(self._faults.values(), key=lambda fault: -fault.last_s)

    @property
    def count(self) -> int:
        """All faults together."""
        return sum(fault.count for fault in self._faults.values())
