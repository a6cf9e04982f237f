"""When the mirror is open, on clocks that are put forward and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from livedream.errors import UsageError
from livedream.hours import parse_hours

try:
    BERLIN = ZoneInfo("Europe/Berlin")
except ZoneInfoNotFoundError:
    pytest.skip("needs the names of time zones (package tzdata)", allow_module_level=True)


def at(text: str) -> datetime:
    """A time in Berlin; 2026-11-26 is a Thursday."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("hours", "opens", "shut"),
    [
        ("10:00-18:00", ["26 10:00", "29 17:59:59"], ["26 09:59:59", "26 18:00"]),
        ("Tue-Sun 10:00-18:00", ["26 12:00"], ["23 12:00", "26 20:00"]),
        ("sat-mon 9:00-12:00", ["23 09:00", "29 11:00"], ["24 09:00", "27 10:00"]),
        ("Thu 9:00-12:00,14:00-18:00", ["26 11:00", "26 14:00"], ["26 13:00"]),
        ("Thu 9:00-10:00; Fri, Sat 20:00-02:00", ["28 01:59", "29 01:00"], ["28 02:00"]),
        ("Fri 20:00-02:00", ["27 23:59"], ["27 01:00", "29 01:00"]),
        ("Sun 22:00-06:00", ["30 05:59"], ["29 05:00"]),  # into Monday
        ("00:00-24:00", ["26 00:00", "26 23:59"], []),
    ],
)
def test_open_and_shut(hours, opens, shut):
    found = parse_hours(f"{hours} @Europe/Berlin")
    for text in opens:
        assert found.is_open(at(f"2026-11-{text}")), text
    for text in shut:
        assert not found.is_open(at(f"2026-11-{text}")), text


def open_hours(hours: str, day: str) -> float:
    """How many hours it is really open between noon before a night and noon after it."""
    found = parse_hours(f"{hours} @Europe/Berlin")
    begin = at(f"{day} 12:00").astimezone(UTC)
    return sum(found.is_open(begin + timedelta(minutes=n)) for n in range(26 * 60)) / 60


def test_the_nights_on_which_the_clock_is_put_forward_and_back():
    # The last of these 26 hours are before the next evening.
    assert open_hours("22:00-06:00", "2026-06-10") == 8
    assert open_hours("22:00-06:00", "2026-03-28") == 7
    assert open_hours("22:00-06:00", "2026-10-24") == 9
    assert open_hours("02:15-02:45", "2026-03-28") == 0  # there is no such half hour
    assert open_hours("02:15-02:45", "2026-10-24") == 1  # and here it comes twice


def test_hours_of_another_zone_and_of_the_machine():
    noon = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
    assert parse_hours("08:00-08:01 @America/New_York").is_open(noon)
    here = noon.astimezone()
    assert parse_hours(f"{here:%H:%M}-{here + timedelta(minutes=1):%H:%M}").is_open(noon)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found ''"),
        ("10-18", "found '10-18'"),
        ("10:00-25:00", "found '10:00-25:00'"),
        ("10:60-12:00", "found '10:60-12:00'"),
        ("10:00-10:00", "found '10:00-10:00'"),
        ("Mo-Fr 10:00-18:00", "found the day 'mo-fr'"),
        ("Mon-Fri", "found 'Mon-Fri'"),
        ("10:00-18:00;", "found ''"),
        ("10:00-18:00 @Berlin", "unknown time zone 'Berlin'"),
        ("10:00-18:00 @/etc/passwd", "unknown time zone '/etc/passwd'"),
        ("10:00-18:00 @", "unknown time zone ''"),
    ],
)
def test_a_mistake_names_what_is_possible(text, said):
    with pytest.raises(UsageError, match="expected") as caught:
        parse_hours(text)
    assert said in str(caught.value)
