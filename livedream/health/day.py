"""The day so far: hours open, pictures, visitors, faults. Only numbers; a small file keeps them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from livedream.errors import LivedreamError
from livedream.files import replace_file
from livedream.health.vitals import Facts
from livedream.hours import Hours
from livedream.places import create

log = logging.getLogger(__name__)

#: The file is written at most, and at least, this often, if anything has changed.
_SOON_S, _LATE_S = 5.0, 60.0
#: More is not a day.
_LARGEST_BYTES = 64 * 1024
#: Restarts whose times are kept.
_REMEMBERED = 20
#: A closed mirror that opens again within this time has a break, and not the end of its day.
_BREAK_S = 6 * 3600
#: Opening hours without an end: the day ends at midnight.
_LONGEST_DAY_S = 20 * 3600.0
#: A look at the day that comes later than this comes after a sleep of the machine.
_LONGEST_LOOK_S = 5.0


class Day(msgspec.Struct, kw_only=True):
    """What is counted. ``faults`` are by kind.

    ``open_at``: when it was open last, and ``alarms`` since when what was told to be wrong is (wall clock).
    ``running``: a show runs; found so at a start, the last one did not end as it should. ``restarted_at``:
    the last starts after such an end (wall clock).
    """

    date: str
    open_s: float = 0.0
    pictures: int = 0
    visitors: int = 0
    restarts: int = 0
    faults: dict[str, int] = {}
    longest_gap_s: float = 0.0
    hottest_c: float | None = None
    open_at: float = 0.0
    running: bool = False
    alarms: dict[str, float] = {}
    restarted_at: list[float] = []

    def report(self) -> str:
        """The day in one line."""
        hours, minutes = self.open_s / 3600, self.open_s / 60
        parts = [f"open {hours:.1f} h" if hours >= 1 else f"open {minutes:.0f} min"]
        parts += [f"{self.pictures:,} pictures"]
        parts += [_counted(self.visitors, "visitor"), _counted(self.restarts, "restart")]
        parts += [f"{kind} {count}×" for kind, count in sorted(self.faults.items())]
        parts += ["" if self.faults else "no faults", f"longest gap {self.longest_gap_s:.1f} s"]
        parts += [] if self.hottest_c is None else [f"at most {self.hottest_c:.0f} °C"]
        return f"{date.fromisoformat(self.date):%a} {self.date}: {', '.join(filter(None, parts))}"


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}" + ("" if count == 1 else "s")


class Days:
    """Counts, and keeps them in the file at ``path``, if there is one.

    ``down_since`` is when the last picture was before this show (wall clock), if a watcher knows.
    """

    def __init__(
        self, path: Path | None, hours: Hours | None, wall: datetime, down_since: float | None = None
    ) -> None:
        self._path, self._hours, self._down_since = path, hours, down_since
        self._before = Facts()
        self._looked_s: float | None = None
        self._written: bytes = b""
        self._written_s = -_LATE_S
        self._trouble = ""
        found = None if path is None else _read(path)
        self.today = found or Day(date=wall.date().isoformat())
        if self.today.running:
            self.today.restarts += 1
            self.today.restarted_at = [*self.today.restarted_at[-_REMEMBERED:], wall.timestamp()]
        self.today.running = True

    def count(self, facts: Facts, longest_gap_s: float, hottest_c: float | None, wall: datetime) -> None:
        """Take what this process has counted since it started."""
        today, before = self.today, self._before
        if self._down_since is not None and facts.pictures:
            gap_s = wall.timestamp() - self._down_since
            self._down_since = None
            today.longest_gap_s = max(today.longest_gap_s, gap_s if gap_s < 3600 else 0.0)
        today.pictures += _since(before.pictures, facts.pictures)
        today.visitors += _since(before.arrivals, facts.arrivals)
        for kind, count in facts.faults.items():
            new = _since(before.faults.get(kind, 0), count)
            if new:
                today.faults[kind] = today.faults.get(kind, 0) + new
        today.longest_gap_s = round(max(today.longest_gap_s, longest_gap_s), 2)
        if hottest_c is not None:
            today.hottest_c = max(today.hottest_c or hottest_c, hottest_c)
        self._before = facts

    def ended(self, is_open: bool, now: float, wall: datetime) -> Day | None:
        """The day that has just ended, if one has; the next begins. Call it about once a second."""
        passed_s = 0.0 if self._looked_s is None else min(now - self._looked_s, _LONGEST_LOOK_S)
        self._looked_s = now
        done = self.today if self._is_over(is_open, wall) else None
        if done is not None:
            self.today = Day(
                date=wall.date().isoformat(),
                running=True,
                alarms=done.alarms,
                restarted_at=done.restarted_at,
            )
        today = self.today
        if is_open:
            today.date = today.date if today.open_s else wall.date().isoformat()
            today.open_s += passed_s
            today.open_at = wall.timestamp()
        return done

    def _is_over(self, is_open: bool, wall: datetime) -> bool:
        """With opening hours a day ends when they do; without, and where they never do, at midnight."""
        today = self.today
        if today.open_s == 0:
            return False
        if self._hours is None or today.open_s > _LONGEST_DAY_S:
            return datetime.fromtimestamp(today.open_at, wall.tzinfo).date() != wall.date()
        ahead = (wall + timedelta(seconds=s) for s in range(0, _BREAK_S + 1, 600))
        slept = wall.timestamp() - today.open_at > _BREAK_S  # it was switched off meanwhile
        return slept or (not is_open and not any(map(self._hours.is_open, ahead)))

    def restarts_since(self, wall: float) -> int:
        """How many starts after an unclean end there were since then (wall clock)."""
        return sum(at >= wall for at in self.today.restarted_at)

    def keep(self, now: float, *, at_once: bool = False) -> None:
        """Write the file if it is time."""
        if self._path is None:
            return
        since_s = now - self._written_s
        if not at_once and since_s < _SOON_S:
            return
        today = self.today
        rare = msgspec.structs.replace(
            today, open_s=0.0, open_at=0.0, pictures=0
        )  # what changes all the time can wait
        digest = msgspec.json.encode(rare)
        if not at_once and digest == self._written and since_s < _LATE_S:
            return
        self._written, self._written_s = digest, now
        try:
            create(self._path.parent)
            replace_file(self._path, msgspec.json.encode(today))
            self._trouble = ""
        except LivedreamError as error:  # a full disk: said once
            if str(error) != self._trouble:
                self._trouble = str(error)
                log.error("what was counted today cannot be kept for a restart: %s", error)

    def end(self, now: float) -> None:
        """The show ends as it should."""
        self.today.running = False
        self.keep(now, at_once=True)


def _since(before: int, now: int) -> int:
    """How much was counted since; a count that starts again starts from nothing."""
    return now - before if now >= before else now


def _read(path: Path) -> Day | None:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES)
        found = msgspec.json.decode(content, type=Day)
        date.fromisoformat(found.date)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        log.error("what was counted before is not used: %s: %s", path, error)
        return None
    return found


def as_mapping(day: Day) -> Mapping[str, Any]:
    """The numbers of a day, for programs."""
    values: dict[str, Any] = msgspec.to_builtins(day)
    return {
        name: values[name] for name in values if name not in ("open_at", "running", "alarms", "restarted_at")
    }
