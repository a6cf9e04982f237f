"""Looks after a show from a thread of its own: counts its days, and tells whoever asked what is wrong.

It goes on while the show's loop hangs, and the loop never waits for it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from livedream.health.day import Days, as_mapping
from livedream.health.machine import Machine
from livedream.health.vitals import Condition, Vitals
from livedream.hours import Hours, wall_clock
from livedream.resource import Resource
from livedream.timing import now_s
from livedream.watch.alerts import (
    DEGRADED,
    MANY_RESTARTS,
    REPORT,
    RESTARTS_S,
    Alarms,
    Hook,
    Notice,
    message,
)
from livedream.watch.beats import LAST_PICTURE_VARIABLE, WATCHER_VARIABLE

log = logging.getLogger(__name__)

_LOOK_S = 1.0
#: A show that starts may take this long to its first picture before it counts as an alarm.
_START_S = 60.0
#: Outside the opening hours nobody knows whether the camera or an output is well again.
_KNOWN_WHEN_CLOSED = ("picture", "restarts", "ended")


class Attendant(Resource):
    """``hooks`` are addresses and commands as ``--alert`` takes them; ``path`` is where the day is kept.

    Clocks are the system's, but in tests. Nothing runs before :meth:`start`.
    """

    def __init__(
        self,
        hooks: Sequence[str] = (),
        path: Path | None = None,
        hours: Hours | None = None,
        *,
        clock: Callable[[], float] = now_s,
        wall: Callable[[], datetime] = wall_clock,
    ) -> None:
        self.vitals = Vitals(clock)
        self.machine = Machine(lambda found: self.vitals.told("machine", found))
        last = os.environ.pop(LAST_PICTURE_VARIABLE, "")
        down_since = float(last) if last.replace(".", "", 1).isdecimal() else None
        self.days = Days(path, hours, wall(), down_since)
        self._hours = hours
        #: livedream watch tells of restarts itself; beside systemd nobody else does.
        self._tells_restarts = WATCHER_VARIABLE not in os.environ
        self._clock, self._wall = clock, wall
        self._alarms = Alarms(self.days.today.alarms, at_once=("restarts",))
        self._hooks = [Hook(target) for target in hooks]
        self._quit_at: float | None = None  # wall clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attendant", daemon=True)

    @property
    def alerts(self) -> tuple[int, int]:
        """How many messages were sent, and how many attempts failed."""
        return sum(hook.sent for hook in self._hooks), sum(hook.failed for hook in self._hooks)

    def start(self) -> None:
        """Begin to look."""
        self.machine.start()
        self._thread.start()

    def look(self) -> None:
        """Everything that is due now."""
        now, wall, vitals, days = self._clock(), self._wall(), self.vitals, self.days
        condition = vitals.condition()
        days.count(vitals.facts, vitals.longest_gap_s, self.machine.reading.hottest_c, wall)
        done = days.ended(self._hours is None or self._hours.is_open(wall), now, wall)
        if done is not None:
            vitals.longest_gap_s = 0.0
            log.info("report: %s", done.report())
            self._tell(Notice(REPORT, "day", done.report(), wall.timestamp()), report=as_mapping(done))
        if condition.state != "ending":
            troubles = self._troubles(condition, now, wall.timestamp())
            only = _KNOWN_WHEN_CLOSED if condition.state == "closed" else None
            for notice in self._alarms.look(troubles, now, wall.timestamp(), only):
                log.log(
                    logging.WARNING if notice.event == DEGRADED else logging.INFO,
                    "%s: %s",
                    notice.event,
                    notice.text,
                )
                self._tell(notice)
        days.today.alarms = self._alarms.told
        days.keep(now)

    def _troubles(self, condition: Condition, now: float, wall: float) -> dict[str, str]:
        found = {trouble.kind: trouble.text for trouble in condition.degraded}
        if not condition.ok and (condition.state != "starting" or now - self.vitals.since_s > _START_S):
            found["picture"] = "; ".join(condition.why)
        restarts = self.days.restarts_since(wall - RESTARTS_S)
        if self._tells_restarts and restarts >= MANY_RESTARTS:
            found["restarts"] = f"restarted {restarts} times in 5 minutes"
        return found

    def _tell(self, notice: Notice, **more: object) -> None:
        for hook in self._hooks:
            hook.send(message(notice, more))

    def quit(self) -> None:
        """Somebody ended the show: whoever is responsible may not know."""
        if self._hooks:
            self._quit_at = self._wall().timestamp()
            self._tell(Notice(DEGRADED, "ended", "somebody ended the mirror", self._quit_at))

    def close(self) -> None:
        """End as a show ends that was told to. May be called twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_LOOK_S)
        self.machine.close()
        if self._quit_at is not None:  # for the next show to call off
            self.days.today.alarms = {**self._alarms.told, "ended": self._quit_at}
        self.days.end(self._clock())
        for hook in self._hooks:
            hook.close()

    def _run(self) -> None:
        self.days.keep(self._clock(), at_once=True)  # a show that dies at once was running, too
        while not self._ended.wait(_LOOK_S):
            try:
                self.look()
            except Exception:
                log.exception("the attendant failed; it goes on")
