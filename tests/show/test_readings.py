"""Readings: the value of whatever a control has set, in words, and why nothing has changed."""

import pytest

from livedream.controls.actions import Cycle, Nudge, Recall, Set, Toggle
from livedream.controls.desk import SceneTitle
from livedream.settings import SPECS, Settings
from livedream.show.readings import reading_of, scene_reading, value_text


@pytest.mark.parametrize(
    ("action", "changes", "read"),
    [
        (Nudge("step_size", 1), {"step_size": 2.5}, ("step size", "2.5 levels", "")),
        (Nudge("persistence_s", 1), {"persistence_s": 1.0}, ("persistence", "1 s", "")),
        (Nudge("strength", 1), {"strength": 1.1}, ("strength", "1.1x", "")),
        (Toggle("mirror"), {"mirror": False}, ("mirror", "off", "")),
        (Toggle("journey"), {"journey": True}, ("journey", "on", "")),
        (Cycle("layer", 1), {"network": "bvlc_googlenet", "layer": "inception_4c"}, ("layer", "parts", "")),
        (Set("layer", ""), {"layer": "parts:0.7,edges:0.3"}, ("layer", "parts + edges", "")),
        (Set("channels", ""), {"channels": ""}, ("channels", "all", "")),
        (Cycle("guide", 1), {"guide": "a/folder/astronaut.png"}, ("guide", "astronaut", "")),
        (Cycle("rotate", 1), {"rotate": 90}, ("rotate", "90°", "")),
        (Set("corners", ""), {"corners": ""}, ("corners", "the whole screen", "")),
        (Set("working_px", 0), {"working_px": 0}, ("working px", "auto", "")),
    ],
)
def test_a_reading_has_the_value_and_its_unit(action, changes, read):
    before = Settings() if changes != {"channels": ""} else Settings(channels="3")
    found = reading_of(action, before, before.replace(**changes), {})
    assert (found.label, found.value, found.note) == read


@pytest.mark.parametrize(
    ("action", "lists", "note"),
    [
        (Cycle("network", 1), {"network": ("dreamnet",)}, "the only one here"),
        (Cycle("guide", 1), {"guide": ("",)}, "no other here: --guide takes an image or a folder of images"),
        (Nudge("steps", 1), {}, "the most"),
        (Nudge("steps", -1), {}, "the least"),
    ],
)
def test_a_key_that_changes_nothing_says_why(action, lists, note):
    settings = Settings(steps=20)
    assert reading_of(action, settings, settings, lists).note == note


def test_every_setting_can_be_read_and_its_bar_is_within_its_range():
    settings = Settings()
    for name, spec in SPECS.items():
        if name == "edit_point":  # the panel of the point is its reading
            continue
        found = reading_of(Set(name, spec.default), settings, settings, {})
        assert found.value == value_text(settings, spec)
        assert found.value
        assert found.unit is None or 0 <= found.unit <= 1


def test_what_sets_nothing_by_name_has_no_reading():
    assert reading_of(Recall("fur"), Settings(), Settings(), {}) is None
    assert reading_of(Set("edit_point", 0), Settings(), Settings(), {}) is None


def test_a_scene_is_read_by_its_title():
    assert scene_reading("fur", [SceneTitle("fur", "Fur", 3)]).value == "Fur"
    assert scene_reading("mine", []).value == "mine"
