"""Keys while a corner is being moved: arrows, digits and Tab; and then they are what they always were."""

from __future__ import annotations

import pytest

from livedream.controls.actions import Cycle, MovePoint, Nudge, Set, Toggle, apply
from livedream.controls.keyboard import Keyboard
from livedream.controls.port import Change
from livedream.errors import UsageError
from livedream.settings import Settings


class Desk:
    """A keyboard and the settings that it changes."""

    def __init__(self, **settings):
        self.keyboard, self.settings, self.actions = Keyboard(), Settings(**settings), []

    def press(self, *keys):
        for key in keys:
            name = key.removeprefix("held+").removeprefix("shift+")
            self.keyboard.press(name, shift="shift+" in key, repeat="held+" in key)
            self.actions = self.keyboard.poll()
            for action in self.actions:
                self.settings = apply(self.settings, action)
                self.keyboard.announce(Change("keyboard", (), self.settings))


def test_arrows_move_the_chosen_corner_and_shift_makes_them_fine():
    desk = Desk()
    desk.press("shift+t", "right", "down", "held+down", "shift+left")
    assert desk.settings.corners == "0.45,1 100,0 100,100 0,100"
    desk.press("3", "shift+up")
    assert desk.settings.corners == "0.45,1 100,0 100,99.95 0,100"


def test_tab_goes_through_the_corners_and_the_mesh_and_round():
    desk = Desk()
    desk.press("shift+t", "shift+tab")
    assert desk.settings.edit_point == 20
    desk.press("tab", "tab", "tab", "tab", "tab", "up")
    assert desk.settings.edit_point == 5
    assert (desk.settings.corners, desk.settings.mesh.split()[0]) == ("", "0,-0.5")


def test_backspace_puts_a_point_back_and_with_shift_all():
    desk = Desk(corners="5,5 95,5 95,95 5,95")
    desk.press("shift+t", "backspace")
    assert desk.settings.corners == "0,0 95,5 95,95 5,95"
    desk.press("shift+backspace")
    assert desk.settings.corners == ""


@pytest.mark.parametrize("key", ["return", "enter", "escape"])
def test_keys_are_what_they_were_before_and_after(key):
    desk = Desk()
    desk.press("shift+t", "5", "g", key)
    assert (desk.settings.edit_point, desk.settings.test_pattern) == (0, "grid")
    desk.press("up")
    assert desk.actions == [Nudge("strength", 1)]


def test_other_keys_mean_the_same_meanwhile_and_a_held_one_does_nothing_twice():
    desk = Desk()
    desk.press("shift+t", "b")
    assert desk.actions == [Toggle("blackout")]
    desk.press("held+tab")
    assert (desk.actions, desk.settings.edit_point) == ([], 1)


def test_a_key_that_follows_at_once_belongs_to_the_corner():
    keyboard = Keyboard()
    keyboard.press("t", shift=True)
    keyboard.press("right")
    assert keyboard.poll() == [Set("edit_point", 1), MovePoint((0.5, 0.0))]


def test_a_point_is_moved_only_while_one_is_chosen():
    with pytest.raises(UsageError, match="no point is chosen: edit_point is 0, expected 1–20"):
        apply(Settings(), MovePoint((1.0, 0.0)))
    assert apply(Settings(), Cycle("test_pattern", -1)).test_pattern == "white"
