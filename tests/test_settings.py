"""Every setting is declared once, and refuses what is not possible."""

from __future__ import annotations

import dataclasses
import math

import pytest

from livedream.errors import UsageError
from livedream.settings import SPECS, Settings, parse_assignment, settings_table


def test_the_defaults_are_valid_and_frozen():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.steps = 3


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_every_setting_has_help_and_a_range_or_a_kind(spec):
    assert spec.help
    if spec.kind in (int, float) and not spec.choices:
        assert spec.minimum <= spec.default <= spec.maximum or (spec.zero and spec.default == 0)
        assert spec.step > 0


@pytest.mark.parametrize(
    "spec", [s for s in SPECS.values() if s.minimum is not None], ids=lambda spec: spec.name
)
def test_numbers_outside_the_range_are_refused_and_the_range_is_named(spec):
    for value in (spec.minimum - 1, spec.maximum + 1):
        with pytest.raises(UsageError, match=f"{spec.name}: invalid value .*: expected .*{spec.minimum:g}–"):
            Settings().replace(**{spec.name: spec.kind(value)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 2.5),
        ("steps", True),
        ("steps", "2"),
        ("strength", math.nan),
        ("mirror", 1),
        ("fit", "wide"),
        ("guide", "\ud800"),
    ],
)
def test_values_of_another_kind_are_refused(name, value):
    with pytest.raises(UsageError, match=name):
        Settings().replace(**{name: value})


def test_an_unknown_setting_names_those_there_are():
    with pytest.raises(UsageError, match=r"unknown setting 'stepz'; possible: .*steps"):
        Settings().replace(stepz=1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("steps=3", {"steps": 3}),
        ("step-size=1.5", {"step_size": 1.5}),
        ("mirror=off", {"mirror": False}),
        ("rotate=90", {"rotate": 90}),
        ("layer = conv2 ", {"layer": "conv2"}),
    ],
)
def test_assignments_are_parsed(text, found):
    assert parse_assignment(text) == found


@pytest.mark.parametrize(
    "text", ["steps", "steps=", "steps=many", "nothing=1", "mirror=perhaps", "rotate=45"]
)
def test_bad_assignments_are_refused(text):
    with pytest.raises(UsageError):
        parse_assignment(text)


def test_nudges_stay_on_the_grid_and_in_the_range():
    strength = SPECS["strength"]
    assert strength.nudge(1.0, 1) == 1.1
    assert strength.nudge(2.95, 5) == 3.0
    assert SPECS["crossfade_s"].nudge(29.8, 1) == 30.0
    assert SPECS["persistence_s"].nudge(0.05, -1) == 0.0
    assert isinstance(SPECS["steps"].nudge(2, 1), int)


def test_auto_is_a_word_for_a_value_below_the_range():
    spec = SPECS["working_px"]
    assert Settings().working_px == spec.parse("auto") == spec.parse("AUTO") == 0
    assert spec.possible == "auto or 64–1280 px"
    assert (spec.word(0), spec.word(320)) == ("auto", "320")
    assert spec.nudge(64, -1) == 0
    assert (spec.nudge(0, 1), spec.nudge(0, -1)) == (320, 256)
    assert spec.from_unit(0.0) == 0
    assert spec.from_unit(0.001) == 64
    for text in ("automatic", "-1", "32"):
        with pytest.raises(UsageError, match="expected auto or 64–1280 px"):
            spec.parse(text)
    with pytest.raises(UsageError, match="expected 0–20"):
        SPECS["steps"].parse("auto")


def test_settings_survive_a_journey_as_a_dictionary():
    settings = Settings(layer="conv2", strength=0.5, rotate=270)
    assert Settings.from_dict(settings.as_dict()) == settings


def test_the_table_has_a_row_for_every_setting():
    assert all(f"| `{name}` |" in settings_table() for name in SPECS)


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_a_fader_covers_the_whole_range_and_comes_back(spec):
    if spec.minimum is None and not spec.choices and spec.kind is not bool:
        with pytest.raises(UsageError, match=f"{spec.name} has no range"):
            spec.from_unit(0.5)
        return
    ends = [spec.from_unit(0.0), spec.from_unit(1.0)]
    if spec.minimum is not None:
        assert ends == [0 if spec.zero else spec.minimum, spec.maximum]
    assert [spec.to_unit(value) for value in ends] == [0.0, 1.0]
    values = [spec.from_unit(n / 50) for n in range(51)]
    units = [spec.to_unit(value) for value in values]
    assert units == sorted(units)
    back = [spec.from_unit(spec.to_unit(value)) for value in values]
    assert back == (values if spec.kind is str else pytest.approx(values, rel=1e-4))
    assert spec.from_unit(7.0) == ends[1]  # held at the end
    with pytest.raises(UsageError, match="invalid position nan"):
        spec.from_unit(float("nan"))


def test_a_logarithmic_fader_gives_equal_ratios_equal_room():
    spec = SPECS["working_px"]
    assert spec.from_unit(0.5) ** 2 == pytest.approx(spec.minimum * spec.maximum, rel=0.02)


def test_every_setting_belongs_somewhere_and_to_some_command():
    assert {spec.scope for spec in SPECS.values()} == {"scene", "place", "machine", "person"}
    assert SPECS["rotate"].scope == "place"
    assert "classic" in SPECS["mirror"].used_by
    assert all("mirror" in spec.used_by for spec in SPECS.values())


def test_help_says_what_kind_of_text_is_possible():
    assert SPECS["guide"].possible == "a path to an image, or to a folder of images"
    assert "11,42" in SPECS["channels"].possible
