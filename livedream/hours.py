"""Opening hours, such as ``Tue-Fri 10:00-18:00; Sat,Sun 11:00-13:00,14:00-20:00 @Europe/Berlin``.

The caller passes the time.

    10:00-18:00                     every day
    Fri 20:00-02:00                 over midnight: the night belongs to the Friday
    Tue-Sun 10:00-18:00             days, or ranges of them; parts for other days follow a ``;``
    … @Europe/Berlin                a time zone; without one, the machine's own

Hours are those of the clock on the wall. On the two nights in the year when it is put forward or back, they
are an hour shorter or longer if that hour is one of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from livedream.errors import UsageError, quoted

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_EXPECTED = (
    "expected [DAYS] HH:MM-HH:MM, such as 'Tue-Sun 10:00-18:00' or"
    " 'Mon 9:00-12:00,14:00-18:00; Sat 20:00-02:00'"
)


@dataclass(frozen=True)
class Hours:
    """When the mirror is open. ``spans`` are (weekday from Monday = 0, first minute, minute after the last).

    A span over midnight ends after minute 1440. ``zone`` is the time zone, None for the machine's own.
    """

    spans: frozenset[tuple[int, int, int]]
    zone: tzinfo | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it is open at ``now``, which has a time zone."""
        local = now.astimezone(self.zone)
        today, minute = local.weekday(), local.hour * 60 + local.minute
        yesterday = (local.date() - timedelta(days=1)).weekday()
        return any(
            (day == today and first <= minute < last)
            or (day == yesterday and first <= minute + _DAY_MINUTES < last)
            for day, first, last in self.spans
        )


def wall_clock() -> datetime:
    """The time, with the machine's time zone."""
    return datetime.now().astimezone()


def parse_hours(text: str) -> Hours:
    """The opening hours in a text. Raises ``UsageError``."""
    times, at, zone = text.partition("@")
    spans: set[tuple[int, int, int]] = set()
    for part in times.split(";"):
        spans |= _part(part.strip(), text)
    return Hours(frozenset(spans), _zone(zone.strip()) if at else None)


def _part(part: str, text: str) -> set[tuple[int, int, int]]:
    """The spans of ``Tue-Fri 10:00-12:00,13:00-18:00``, of every day without days."""
    days, _, spans = part.rpartition(" ")
    return {
        (day, *_span(span, text))
        for day in (_days(days, text) if days else range(7))
        for span in spans.split(",")
    }


def _days(days: str, text: str) -> set[int]:
    found: set[int] = set()
    for item in days.lower().replace(" ", "").split(","):
        first, dash, last = item.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise UsageError(
                f"invalid opening hours {quoted(text)}: found the day {quoted(item)}; {_EXPECTED}"
            )
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {n % 7 for n in range(begin, end + 1 + 7 * (end < begin))}  # Sat-Tue goes round
    return found


def _span(span: str, text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(span)
    if match is None:
        raise UsageError(f"invalid opening hours {quoted(text)}: found {quoted(span)}; {_EXPECTED}")
    from_h, from_min, to_h, to_min = map(int, match.groups())
    first, last = from_h * 60 + from_min, to_h * 60 + to_min
    if from_h > 23 or from_min > 59 or to_min > 59 or last > _DAY_MINUTES or first == last:
        raise UsageError(f"invalid opening hours {quoted(text)}: found {quoted(span)}; {_EXPECTED}")
    return first, last if last > first else last + _DAY_MINUTES


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"unknown time zone {quoted(name)}; expected a name such as Europe/Berlin"
            " (on Windows, pip install tzdata adds them)"
        ) from error
