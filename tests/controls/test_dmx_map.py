"""Maps of DMX: what a file says, and mistakes in it."""

from __future__ import annotations

import pytest

from livedream.controls.actions import Command, Recall, SetUnit
from livedream.controls.desk import SceneTitle
from livedream.controls.dmx_map import Channel, default_map, read_map
from livedream.errors import UsageError


@pytest.fixture
def read(tmp_path):
    def read(text: str):
        path = tmp_path / "map.toml"
        path.write_text(text)
        return read_map(path)

    return read


def test_a_map_names_settings_scenes_and_commands(read):
    found = read(
        'protocol = "sacn"\nlisten = "127.0.0.1"\nuniverse = 3\n'
        '[[channel]]\nchannel = 1\nsetting = "strength"\n'
        '[[channel]]\nuniverse = 4\nchannel = 2\nbits = 16\nsetting = "zoom"\n'
        "[[channel]]\nchannel = 10\nscenes = { eyes = [10, 19], ghost = [20, 29] }\n"
        '[[channel]]\nchannel = 11\ncommand = "full_screen"\nthreshold = 200\n'
    )
    assert (found.protocol, found.listen) == ("sacn", "127.0.0.1")
    assert found.channels == (
        Channel(3, 1, setting="strength"),
        Channel(4, 2, 16, setting="zoom"),
        Channel(3, 10, scenes=(("eyes", 10, 19), ("ghost", 20, 29))),
        Channel(3, 11, command=Command.FULL_SCREEN, threshold=200),
    )


def test_a_level_is_a_position_in_a_settings_range():
    strength = Channel(1, 1, setting="strength")
    assert [strength.action(level, None) for level in (0, 51, 255)] == [
        SetUnit("strength", unit) for unit in (0, 0.2, 1)
    ]
    fine = Channel(1, 2, 16, setting="zoom")
    assert fine.level(b"\x00\xff\xff") == 65535
    assert fine.action(65535, 0) == SetUnit("zoom", 1.0)
    assert fine.level(b"\x00\xff") is None


@pytest.mark.parametrize(("bits", "levels"), [(8, (127, 128)), (16, (32767, 32768))])
def test_the_middle_of_a_fader_is_the_middle_of_the_range(bits, levels):
    for level in levels:
        assert Channel(1, 1, bits, setting="zoom").action(level, 0) == SetUnit("zoom", 0.5)


def test_a_scene_is_recalled_when_its_levels_are_reached_and_not_again_within_them():
    scenes = Channel(1, 1, scenes=(("eyes", 10, 19), ("ghost", 20, 29)))
    assert scenes.action(12, 0) == Recall("eyes")
    assert scenes.action(15, 12) is None
    assert scenes.action(25, 15) == Recall("ghost")
    assert scenes.action(0, 25) is None
    assert scenes.action(22, None) == Recall("ghost")


def test_a_command_is_done_when_its_level_rises_to_the_threshold():
    button = Channel(1, 1, command=Command.SNAPSHOT)
    assert button.action(255, None) is None  # it was up when the desk came
    assert button.action(128, 127) is Command.SNAPSHOT
    assert button.action(255, 128) is None
    assert button.action(0, 255) is None


ONE = '[[channel]]\nchannel = 1\nsetting = "strength"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("universe = 1\nchannel = ?\n", "Invalid value (at line 2"),
        ("", "expected 1–4096 tables [[channel]]"),
        (
            ONE + "[[channel]]\nchannel = 600\nsetting = 'zoom'\n",
            "line 4: channel: invalid value 600: expected 1–512",
        ),
        (ONE + "\n[[channel]]\nsetting = 'zoom'\n", "line 5: channel: invalid value None: expected 1–512"),
        (
            ONE + "[[channel]]\nchannel = 2\nsetting = 'loudness'\n",
            "line 4: setting: invalid value 'loudness': expected",
        ),
        (ONE + "[[channel]]\nchannel = 2\nsetting = 'palette'\n", "line 4: setting: invalid value 'palette'"),
        (ONE + "[[channel]]\nchannel = 2\n", "line 4: found none, expected one of setting, scenes, command"),
        (ONE + "command = 'tap'\n", "line 1: found setting and command"),
        (ONE + "loud = 3\n", "line 1: loud: unknown; possible: universe, channel"),
        (ONE + "bits = 12\n", "line 1: bits: invalid value 12: expected 8 or 16"),
        ("[[channel]]\nchannel = 512\nbits = 16\nsetting = 'zoom'\n", "expected 1–511"),
        (
            "[[channel]]\nchannel = 1\nbits = 16\ncommand = 'tap'\n",
            "bits = 16 is for a setting, found command",
        ),
        (
            "[[channel]]\nchannel = 1\ncommand = 'explode'\n",
            "command: invalid value 'explode': expected quit, help",
        ),
        ("[[channel]]\nchannel = 1\nscenes = 3\n", "scenes: invalid value 3: expected a table such as"),
        ("[[channel]]\nchannel = 1\nscenes = {}\n", "scenes: invalid value {}"),
        (
            "[[channel]]\nchannel = 1\nscenes = { a = [5] }\n",
            "scenes: a: invalid value [5]: expected [lowest",
        ),
        (
            "[[channel]]\nchannel = 1\nscenes = { a = [5, 300] }\n",
            "scenes: a: invalid value 300: expected 0–255",
        ),
        ("[[channel]]\nchannel = 1\nscenes = { a = [9, 5] }\n", "the lower level first"),
        ("[[channel]]\nchannel = 1\nscenes = { a = [1, 9], b = [9, 12] }\n", "b and a share levels"),
        ("universe = true\n" + ONE, "universe: invalid value True: expected 0–63999"),
        ("protocol = 'dmx'\n" + ONE, "protocol: invalid value 'dmx': expected artnet, sacn, both"),
        ("listen = 'here'\n" + ONE, "listen: invalid value 'here': expected an IPv4 address"),
        ("listen = '192.168.0.700'\n" + ONE, "listen: invalid value '192.168.0.700': expected an IPv4"),
        ("listen = 7\n" + ONE, "listen: invalid value 7: expected an IPv4 address"),
        ("loud = 1\n" + ONE, "loud: unknown; possible: protocol, listen, universe, channel"),
        ("channel = [3]\n", "channel: invalid value 3: expected a table"),
    ],
)
def test_a_mistake_names_its_line_and_what_is_possible(read, text, reason):
    with pytest.raises(UsageError) as refused:
        read(text)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_default_map_is_a_map(read):
    found = read(default_map([SceneTitle("eyes"), SceneTitle("only-you"), SceneTitle("two words")]))
    assert found.channels[0] == Channel(1, 1, setting="strength")
    (scenes,) = (channel.scenes for channel in found.channels if channel.scenes)
    assert scenes == (("eyes", 10, 19), ("only-you", 20, 29), ("two words", 30, 39))
    taken = [
        n for channel in found.channels for n in range(channel.channel, channel.channel + channel.bits // 8)
    ]
    assert taken == [*range(1, len(taken) + 1)]


def test_the_default_map_has_room_for_any_number_of_scenes(read):
    read(default_map([SceneTitle(f"scene {n}") for n in range(100)]))
