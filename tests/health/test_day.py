"""The day in numbers: what is counted, when it ends, and that a restart loses nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from livedream.health.day import Day, Days
from livedream.health.vitals import Facts
from livedream.hours import parse_hours

ZONE = UTC
MORNING = datetime(2026, 11, 26, 9, 59, tzinfo=ZONE)  # a Thursday


def live(days, hours, begin, end, each=timedelta(minutes=1)):
    """Look from ``begin`` to ``end``; the days that ended, and when."""
    done, wall = [], begin
    while wall < end:
        for second in range(2):  # two looks, a second apart, stand for the minute
            at = wall + timedelta(seconds=second)
            is_open = hours is None or hours.is_open(at)
            day = days.ended(is_open, at.timestamp(), at)
            if day is not None:
                done.append((at.strftime("%a %H:%M"), day))
        wall += each
    return done


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (None, ["Fri 00:00", "Sat 00:00"]),
        ("10:00-18:00", ["Thu 18:00", "Fri 18:00"]),
        ("10:00-12:00,14:00-18:00", ["Thu 18:00", "Fri 18:00"]),
        ("Thu 20:00-02:00; Fri 20:00-02:00", ["Fri 02:00", "Sat 02:00"]),
    ],
)
def test_a_day_ends_at_closing_time_or_at_midnight(text, ends):
    hours = None if text is None else parse_hours(f"{text} @UTC")
    done = live(Days(None, hours, MORNING), hours, MORNING, MORNING + timedelta(hours=47))
    assert [when for when, _ in done] == ends
    assert [day.date for _, day in done] == ["2026-11-26", "2026-11-27"]


def test_hours_without_an_end_are_reported_at_midnight():
    hours = parse_hours("0:00-24:00 @UTC")
    days = Days(None, hours, MORNING)
    done = live(days, hours, MORNING, MORNING + timedelta(days=4), timedelta(seconds=5))
    assert [when for when, _ in done] == ["Sat 00:00", "Sun 00:00", "Mon 00:00"]


def test_a_machine_that_is_switched_off_at_closing_time_reports_when_it_is_on_again():
    hours = parse_hours("10:00-18:00 @UTC")
    days = Days(None, hours, MORNING)
    assert live(days, hours, MORNING, MORNING.replace(hour=17)) == []
    tomorrow = MORNING + timedelta(days=1)
    ((when, day),) = live(days, hours, tomorrow, tomorrow + timedelta(hours=2))
    assert (when, day.date) == ("Fri 09:59", "2026-11-26")
    assert days.today.date == "2026-11-27"


def test_what_processes_count_is_added_up_over_their_restarts():
    days = Days(None, None, MORNING)
    for facts in (
        Facts(pictures=100, arrivals=2, faults={"camera unplugged": 1}),
        Facts(pictures=150, arrivals=3, faults={"camera unplugged": 1}),
        Facts(pictures=10, arrivals=1, faults={"dream died": 2}),  # a new show in the same process
    ):
        days.count(facts, 0.3, 60.0, MORNING)
    days.count(facts, 0.2, 55.0, MORNING)
    today = days.today
    assert (today.pictures, today.visitors) == (160, 4)
    assert today.faults == {"camera unplugged": 1, "dream died": 2}
    assert (today.longest_gap_s, today.hottest_c) == (0.3, 60.0)


def test_the_report_is_one_line():
    day = Day(
        date="2026-11-26",
        open_s=8 * 3600,
        pictures=1_234_567,
        visitors=212,
        faults={"dream hung": 1, "camera unplugged": 2},
        longest_gap_s=3.21,
        hottest_c=71.4,
    )
    assert day.report() == (
        "Thu 2026-11-26: open 8.0 h, 1,234,567 pictures, 212 visitors, no restarts,"
        " camera unplugged 2×, dream hung 1×, longest gap 3.2 s, at most 71 °C"
    )
    assert (
        Day(date="2026-11-26", visitors=1)
        .report()
        .endswith("1 visitor, no restarts, no faults, longest gap 0.0 s")
    )


def test_a_show_that_was_killed_is_gone_on_with_and_counted(tmp_path):
    path = tmp_path / "state" / "x.day.json"
    days = Days(path, None, MORNING)
    days.count(Facts(pictures=100, arrivals=2), 0.0, None, MORNING)
    days.today.alarms = {"source": 5.0}
    days.keep(100.0)
    again = Days(path, None, MORNING, down_since=MORNING.timestamp() - 4)
    again.count(Facts(pictures=7, arrivals=1), 0.1, None, MORNING)
    assert (again.today.pictures, again.today.visitors, again.today.restarts) == (107, 3, 1)
    assert again.today.longest_gap_s == 4.0
    assert again.today.alarms == {"source": 5.0}
    again.end(200.0)
    assert Days(path, None, MORNING).today.restarts == 1  # it ended as it should


def test_the_file_is_written_soon_for_what_is_rare_and_seldom_for_what_is_not(tmp_path):
    path = tmp_path / "x.day.json"
    days = Days(path, None, MORNING)
    days.keep(0.0)
    written = []
    for second in range(1, 181):
        days.count(Facts(pictures=second * 60, arrivals=second // 90), 0.0, None, MORNING)
        before = path.read_bytes()
        days.keep(float(second))
        if path.read_bytes() != before:
            written.append(second)
    assert written == [60, 90, 150, 180]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"date": "never"}', b"\xff" * 100, b"[" * 5000])
def test_a_damaged_file_is_not_used_and_said(tmp_path, caplog, content):
    path = tmp_path / "x.day.json"
    path.write_bytes(content)
    assert Days(path, None, MORNING).today.pictures == 0
    assert "not used" in caplog.text


def test_a_disk_that_cannot_be_written_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    days = Days(tmp_path / "file" / "x.day.json", None, MORNING)
    for second in range(10):
        days.keep(second * 100.0)
    assert caplog.text.count("cannot be kept") == 1


def test_only_numbers_are_kept(tmp_path):
    path = tmp_path / "x.day.json"
    days = Days(path, None, MORNING)
    days.keep(0.0)
    assert set(json.loads(path.read_text())) == {
        "date",
        "open_s",
        "pictures",
        "visitors",
        "restarts",
        "faults",
        "longest_gap_s",
        "hottest_c",
        "open_at",
        "running",
        "alarms",
        "restarted_at",
    }
