"""Screens that come and go are noticed once, and only when they have settled."""

from __future__ import annotations

import pytest

from livedream.sinks.monitors import MonitorWatch
from livedream.sinks.screens import DisplayInfo, chosen
from livedream.sinks.settling import Settling

LAPTOP, PROJECTOR = ("eDP-1", 0, 0, 1920, 1080), ("HDMI-1", 1920, 0, 1280, 800)


class Desk:
    """What is plugged in, seen by a watch every quarter of a second."""

    def __init__(self, *monitors):
        self.monitors, self.now, self.looks = monitors, 100.0, 0
        self.watch = MonitorWatch(self.look)

    def look(self):
        self.looks += 1
        return self.monitors

    def changes(self, seconds):
        found = 0
        for _ in range(round(seconds * 4)):
            found += self.watch.changed(self.now)
            self.now += 0.25
        return found


def test_nothing_changes_while_nothing_changes():
    desk = Desk(LAPTOP)
    assert desk.changes(60) == 0
    assert desk.looks == 121  # twice a second, not more


def test_each_change_is_told_once():
    desk = Desk(LAPTOP)
    desk.changes(1)
    for monitors in ((LAPTOP, PROJECTOR), (LAPTOP,), (("eDP-1", 0, 0, 1280, 720),)):
        desk.monitors = monitors
        assert desk.changes(3) == 1
        assert desk.changes(3) == 0


def test_a_change_in_steps_is_told_at_its_end():
    desk = Desk(LAPTOP)
    desk.changes(1)
    for width in range(640, 1280, 64):
        desk.monitors = (LAPTOP, ("HDMI-1", 1920, 0, width, 800))
        assert desk.changes(0.5) == 0
    assert desk.changes(2) == 1


def test_screens_that_are_all_off_are_waited_for():
    desk = Desk(LAPTOP)
    desk.changes(1)
    desk.monitors = ()
    assert desk.changes(10) == 0
    desk.monitors = (LAPTOP,)
    assert desk.changes(10) == 0  # as it was
    desk.monitors = ()
    desk.changes(10)
    desk.monitors = (PROJECTOR,)
    assert desk.changes(10) == 1


SCREENS = [DisplayInfo(0, (1920, 1080), 'Built-in 15"', 60), DisplayInfo(1, (1280, 800), "EPSON PJ", 60)]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("", 0),
        ("0", 0),
        ("1", 1),
        (" 1 ", 1),
        ("epson", 1),
        ("PJ", 1),
        ("built", 0),
        ("2", None),
        ("sony", None),
    ],
)
def test_a_screen_is_chosen_by_number_or_by_part_of_its_name(wanted, number):
    assert chosen(SCREENS, wanted) is (None if number is None else SCREENS[number])


def test_a_size_counts_where_it_comes_to_rest():
    settling = Settling((640, 360))
    now = 10.0
    for width in range(641, 700):  # an edge that is dragged
        assert not settling.see((width, 360), now)
        now += 0.05
    assert settling.size == (640, 360)
    assert not settling.see((699, 360), now)
    assert settling.see((699, 360), now + 0.2)
    assert settling.size == (699, 360)
    assert not settling.see((699, 360), now + 9)
