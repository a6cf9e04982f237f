"""Actions change settings, purely."""

from __future__ import annotations

import pytest

from livedream.controls.actions import (
    Command,
    Cycle,
    Nudge,
    Recall,
    RecallKey,
    Set,
    SetUnit,
    Store,
    Toggle,
    apply,
)
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
        (Cycle("fit", 1), "fit", "contain"),
        (Cycle("rotate", -1), "rotate", 270),
        (SetUnit("strength", 0.5), "strength", 1.5),
        (SetUnit("mirror", 0.2), "mirror", False),
        (SetUnit("mix", 1.0), "mix", "ink"),
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
    for action in (Command.QUIT, Recall("fur"), RecallKey(3), Store("fur")):
        assert apply(settings, action) is settings


def test_a_misspelt_command_cannot_be_made():
    with pytest.raises(ValueError, match="snapsot"):
        Command("snapsot")


def test_a_fader_reaches_every_layer_of_the_list():
    layers = [apply(Settings(), SetUnit("layer", n / 10), lists=LISTS).layer for n in range(11)]
    assert sorted(set(layers), key=layers.index) == LISTS["layer"]


@pytest.mark.parametrize(
    "action",
    [
        Set("steps", 99),
        Set("nothing", 1),
        Toggle("steps"),
        Nudge("mirror", 1),
        Cycle("layer", 1),
        SetUnit("guide", 0.5),
    ],
)
def test_what_is_not_possible_is_refused(action):
    with pytest.raises(UsageError):
        apply(Settings(), action)
