"""What each OSC address asks for, with each kind of argument, and that the list of them is complete."""

from __future__ import annotations

import math

import pytest

from livedream.controls.actions import COMMANDS, Command, Cycle, GoTo, Nudge, Recall, Set, SetUnit, Toggle
from livedream.controls.desk import SceneTitle, View
from livedream.controls.osc_addresses import CUE, SCENE, Ask, addresses, understand, values_of
from livedream.errors import LivedreamError, UsageError
from livedream.settings import SPECS, Settings

LAYERS = ("edges", "textures", "patterns", "parts", "objects")
VIEW = View(
    lists={"layer": LAYERS, "network": ("dreamnet", "vgg16")},
    scenes=(SceneTitle("eyes", "Eyes"), SceneTitle("two words")),
)


@pytest.mark.parametrize(
    ("address", "arguments", "action"),
    [
        ("strength", (0.5,), SetUnit("strength", 0.5)),
        ("strength", (1,), SetUnit("strength", 1.0)),
        ("strength", ("0.25",), SetUnit("strength", 0.25)),
        ("strength", (1.0004,), SetUnit("strength", 1.0)),
        ("strength/value", (2.5,), Set("strength", 2.5)),
        ("strength/value", (2,), Set("strength", 2.0)),
        ("strength/value", ("2.5",), Set("strength", 2.5)),
        ("strength", ("+",), Nudge("strength", 1)),
        ("strength", ("-", 3.0), Nudge("strength", -3)),
        ("steps/value", (3.0,), Set("steps", 3)),
        ("steps/value", (2.7,), Set("steps", 3)),
        ("steps/value", ("4.0",), Set("steps", 4)),
        ("working_px/value", ("auto",), Set("working_px", 0)),
        ("blackout", (), Toggle("blackout")),
        ("blackout", (True,), Set("blackout", True)),
        ("blackout", (0,), SetUnit("blackout", 0.0)),
        ("blackout", (1.0,), SetUnit("blackout", 1.0)),
        ("blackout", ("on",), Set("blackout", True)),
        ("blackout", ("-",), Set("blackout", False)),
        ("blackout/value", (1.0,), Set("blackout", True)),
        ("layer", ("parts",), Set("layer", "parts")),
        ("layer", (3,), Set("layer", "parts")),
        ("layer", (3.0,), Set("layer", "parts")),
        ("layer", (1.0,), SetUnit("layer", 1.0)),
        ("layer", (0.5,), SetUnit("layer", 0.5)),
        ("layer/value", (1.0,), Set("layer", "textures")),
        ("layer", ("+",), Cycle("layer", 1)),
        ("layer/next", (), Cycle("layer", 1)),
        ("layer/prev", (1.0,), Cycle("layer", -1)),
        ("layer/next", (0.0,), None),
        ("mix", (2,), Set("mix", "luminance")),
        ("rotate", (1,), SetUnit("rotate", 1.0)),
        ("rotate/value", (90.0,), Set("rotate", 90)),
        ("palette", ("castle, birds",), Set("palette", "castle, birds")),
        ("channels/value", ("11,42",), Set("channels", "11,42")),
        ("scene", ("eyes",), Recall("eyes")),
        ("scene", ("eyes", 2.5), Recall("eyes", 2.5)),
        ("scene/eyes", (), Recall("eyes")),
        ("scene/eyes", (0,), Recall("eyes", 0.0)),
        ("scene/eyes", (True,), Recall("eyes")),
        ("scene/eyes", (False,), None),
        ("scene/two_words", (), Recall("two words")),
        ("cue", (3.0,), GoTo(3)),
        ("go", (1,), Command.GO),
        ("snapshot", (), Command.SNAPSHOT),
        ("record", (1.0,), Command.RECORD),
        ("record", (0.0,), None),
        ("record", (False,), None),
        ("full_screen", (True,), Command.FULL_SCREEN),
        ("strength", ("?",), Ask(("strength",))),
        ("strength/value", ("?",), Ask(("strength",))),
        ("scene", ("?",), Ask((SCENE,))),
    ],
)
def test_an_address_and_its_argument_become_an_action(address, arguments, action):
    assert understand(f"/dream/{address}", arguments, VIEW) == action


def test_everything_can_be_asked_for():
    asked = understand("/dream", ("?",), VIEW)
    assert isinstance(asked, Ask)
    assert {*asked.names} == {*SPECS, SCENE}


@pytest.mark.parametrize(
    ("address", "arguments", "reason"),
    [
        ("/dream/strength", (1.5,), "expected 0–1; 0–3 × at /dream/strength/value"),
        ("/dream/strength", (-0.5,), "expected 0–1"),
        ("/dream/strength", (math.nan,), "expected 0–1"),
        ("/dream/strength", (math.inf,), "expected 0–1"),
        ("/dream/strength", ("nan",), "expected 0–1"),
        ("/dream/strength", (), "expected one value"),
        ("/dream/strength", (0.1, 0.2), "expected one value"),
        ("/dream/strength", (None,), "expected one value"),
        ("/dream/strength", (b"x",), "expected one value"),
        ("/dream/strength", ([0.5],), "expected one value"),
        ("/dream/strength", (True,), "expected 0–3"),
        ("/dream/strength", ("loud",), "expected 0–3"),
        ("/dream/strength/value", (99,), "expected 0–3"),
        ("/dream/strength/value", (math.nan,), "expected 0–3"),
        ("/dream/strength/value", ("1e999",), "expected 0–3"),
        ("/dream/strength", ("+", "x"), "how many steps"),
        ("/dream/strength/next", (), "unknown OSC address"),
        ("/dream/blackout/value", (2,), "expected on, off"),
        ("/dream/layer", (17,), "expected 0–4"),
        ("/dream/layer/value", (1.5,), "expected 0–4"),
        ("/dream/layer/next", ("now",), "expected nothing"),
        ("/dream/layer/value", ("x" * 5000,), "5000 characters"),
        ("/dream/palette", (0.5,), "expected words"),
        ("/dream/palette", ("+",), "no steps"),
        ("/dream/mix/value", ("loud",), "expected over, dream"),
        ("/dream/scene/nobody", (), "unknown scene 'nobody'; possible: eyes, two words"),
        ("/dream/scene/../../etc", (), "unknown scene"),
        ("/dream/scene/eyes", (-1,), "expected nothing, or the seconds"),
        ("/dream/scene/eyes", (math.nan,), "expected nothing, or the seconds"),
        ("/dream/scene", (3,), "expected a scene's name"),
        ("/dream/cue", (0,), "the number of a cue"),
        ("/dream/cue", ("three",), "the number of a cue"),
        ("/dream/record", (math.nan,), "expected nothing"),
        ("/dream/record", ("now",), "expected nothing"),
        ("/dream/record/now", (), "unknown OSC address"),
        ("/dream/loudness", (0.5,), "unknown OSC address '/dream/loudness'; possible: see livedream osc"),
        ("/dream", (), "unknown OSC address"),
        ("/composition/master", (0.5,), "unknown OSC address"),
        ("/", (), "unknown OSC address"),
        ("/dream/*", (0.5,), "unknown OSC address"),
    ],
)
def test_what_is_impossible_is_refused_with_what_is_possible(address, arguments, reason):
    with pytest.raises(UsageError) as refused:
        understand(address, arguments, VIEW)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_setting_and_every_command_has_its_addresses():
    listed = {address.path for address in addresses(VIEW)}
    for spec in SPECS.values():
        assert f"/dream/{spec.name}" in listed or f"/dream/{spec.name}/value" in listed
    assert {f"/dream/{name}" for name in COMMANDS} <= listed
    assert {"/dream/scene/eyes", "/dream/scene/two_words", "/dream/layer/next"} <= listed


def test_no_address_has_two_meanings():
    assert not {*SPECS} & {*COMMANDS, SCENE, CUE}
    assert not {SCENE, CUE} & {*COMMANDS}
    assert len(COMMANDS) == len(Command)


@pytest.mark.parametrize(
    "address", [a for a in addresses(VIEW) if len(a.types) < 2], ids=lambda address: address.path
)
def test_every_listed_address_takes_what_its_line_says(address):
    text = address.choices[0] if address.choices else address.setting and SPECS[address.setting].default
    takes = {"f": address.low, "i": address.low or 0, "s": text, "T": True}
    arguments = (takes[address.types],) if address.types else ()
    assert understand(address.path, arguments, VIEW) is not None
    if address.low is not None:
        for end in (address.low, address.high):
            understand(address.path, (end,), VIEW)
        with pytest.raises(LivedreamError):
            understand(address.path, (address.high + 0.6,), VIEW)


@pytest.mark.parametrize("name", SPECS)
def test_what_is_told_of_a_setting_sets_it_again(name):
    for value in (SPECS[name].default, SPECS[name].maximum or SPECS[name].default):
        settings = Settings(**{name: value})
        for address, told in values_of(name, settings, VIEW.lists, "").items():
            action = understand(address, (told,), VIEW)
            if isinstance(action, SetUnit):
                again = SPECS[name].from_unit(action.unit, VIEW.lists.get(name, ()))
            else:
                assert isinstance(action, Set)
                again = action.value
            assert again == pytest.approx(value) if isinstance(value, float) else again == value
