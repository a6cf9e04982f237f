"""What a watcher tells whoever asked: that no show comes up, or that one after the other fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from livedream.resource import Resource
from livedream.watch.alerts import MANY_RESTARTS, RESTARTS_S, Alarms, Hook, message

#: Without a picture from any show for this long something is wrong that restarts have not mended.
_DARK_S = 45.0


class Calling(Resource):
    """Times are ``now``, monotonic; ``hooks`` are addresses and commands as ``--alert`` takes them."""

    def __init__(self, hooks: Sequence[str], now: float) -> None:
        self._hooks = [Hook(target) for target in hooks]
        self._alarms = Alarms(at_once=("restarts", "show"))
        self._failed: deque[float] = deque(maxlen=1000)
        self._well_s = now
        self._why = ""

    def well(self, now: float) -> None:
        """A show produces pictures, or is closed as it should be."""
        self._well_s = now

    def failed(self, why: str, now: float) -> None:
        """A show died, or was ended because it hung."""
        self._failed.append(now)
        self._why = why

    def look(self, now: float) -> None:
        """Tell what is to be told now."""
        for notice in self._alarms.look(self.troubles(now), now, time.time()):
            for hook in self._hooks:
                hook.send(message(notice))

    def troubles(self, now: float) -> dict[str, str]:
        """What is wrong now: kind to text."""
        while self._failed and now - self._failed[0] > RESTARTS_S:
            self._failed.popleft()
        found = {}
        if len(self._failed) >= MANY_RESTARTS:
            found["restarts"] = f"restarted {len(self._failed)} times in 5 minutes; the show {self._why}"
        if now - self._well_s > _DARK_S:
            why = f"; the show {self._why}" if self._why else ""
            found["show"] = f"no picture for {now - self._well_s:.0f} s{why}"
        return found

    def close(self) -> None:
        """Deliver what waits, as far as that takes a few seconds. May be called twice."""
        for hook in self._hooks:
            hook.close()
