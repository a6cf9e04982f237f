"""Actions change settings, purely."""

from __future__ import annotations

import pytest

from livedream.controls.actions import Command, Cycle, Nudge, Recall, Set, Toggle, apply
from livedream.errors import UsageError
from livedream.settings import Settings

LISTS = {"layer": ["low", "middle", "high"]}


@pytest.mark.parametrize(
    ("action", "name", "value"),
    [
        (Set("steps", 5), "steps", 5),
        (Nudge("strength", 2), "strength", 1.2),
        (Nudge("steps", -9), "steps", 0),
        (Toggle("mirror"), "mirror", False),
        (Cycle("fit", 1), "fit", "keep"),
        (Cycle("rotate", -1), "rotate", 270),
    ],
)
def test_an_action_changes_its_setting_and_no_other(action, name, value):
    before = Settings()
    after = apply(before, action)
    assert getattr(after, name) == value
    assert after.replace(**{name: getattr(before, name)}) == before


def test_layers_cycle_through_the_list_given():
    settings = Settings(layer="high")
    assert apply(settings, Cycle("layer", 1), lists=LISTS).layer == "low"
    assert apply(settings, Cycle("layer", -1), lists=LISTS).layer == "middle"


def test_what_is_no_setting_changes_none():
    settings = Settings()
    assert apply(settings, Command("quit")) is settings
    assert apply(settings, Recall(3)) is settings


@pytest.mark.parametrize(
    "action", [Set("steps", 99), Set("nothing", 1), Toggle("steps"), Nudge("mirror", 1), Cycle("layer", 1)]
)
def test_what_cannot_be_is_refused(action):
    with pytest.raises(UsageError):
        apply(Settings(), action)
