"""MIDI: what messages ask for, soft takeover, encoders, learning, lamps, devices that come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from livedream.controls.actions import Clock, Command, Cycle, Learn, Nudge, Recall, Set, SetUnit, Toggle
from livedream.controls.desk import Desk, View
from livedream.controls.midi import Midi
from livedream.controls.midi_map import (
    SHIPPED,
    Binding,
    MidiMap,
    device_name,
    map_for,
    read_map,
    read_maps,
    save_map,
)
from livedream.controls.midi_playing import Player, turned
from livedream.controls.port import Change
from livedream.errors import LivedreamError
from livedream.settings import Settings

mido = pytest.importorskip("mido", reason="needs the extra midi")


def player(*controls: Binding, programs: dict | None = None, **settings) -> Player:
    desk = Desk(Settings(**settings))
    learnt: list[Binding] = []
    found = Player(
        MidiMap("x", controls, programs or {}), desk, lambda _, binding: learnt.append(binding), lambda: 5.0
    )
    found.desk, found.learnt = desk, learnt  # type: ignore[attr-defined]
    return found


def plays(found: Player, *data: int) -> list:
    """What a stream of bytes asks for."""
    parser = mido.Parser()
    parser.feed(data)
    return [action for message in parser for action in found.hear(message)]


@pytest.mark.parametrize(
    ("binding", "data", "actions"),
    [
        (Binding("cc", 7, 0, "strength", mode="jump"), (0xB3, 7, 127), [SetUnit("strength", 1.0)]),
        (Binding("cc", 7, 4, "strength", mode="jump"), (0xB2, 7, 127), []),
        (Binding("cc", 7, 0, "freeze", mode="toggle"), (0xB0, 7, 127, 0xB0, 7, 0), [Toggle("freeze")]),
        (
            Binding("note", 36, 0, "freeze", mode="hold"),
            (0x90, 36, 9, 0x90, 36, 0),
            [Set("freeze", True), Set("freeze", False)],
        ),
        (Binding("note", 36, 0, "layer", mode="previous"), (0x90, 36, 9, 0x80, 36, 0), [Cycle("layer", -1)]),
        (Binding("note", 36, 0, "steps", mode="up"), (0x90, 36, 9), [Nudge("steps", 1)]),
        (Binding("note", 36, command=Command.SNAPSHOT), (0x90, 36, 9, 0x90, 36, 0), [Command.SNAPSHOT]),
        (Binding("note", 36, scene="fur"), (0x90, 36, 9), [Recall("fur")]),
        (Binding("cc", 9, 0, "steps", mode="twos"), (0xB0, 9, 126), [Nudge("steps", -2)]),
        (Binding("cc", 9, 0, "layer", mode="offset"), (0xB0, 9, 65), [Cycle("layer", 1)]),
        (Binding("pitch", 0, 0, "zoom", mode="jump"), (0xE0, 0, 64), [SetUnit("zoom", 8192 / 16383)]),
    ],
)
def test_a_message_does_what_its_map_says(binding, data, actions):
    assert plays(player(binding), *data) == actions


def test_programs_recall_scenes_and_the_clock_is_passed_on():
    found = player(programs={2: "fur"})
    assert plays(found, 0xC0, 2, 0xC0, 3) == [Recall("fur")]
    assert plays(found, 0xFA, 0xF8, 0xFC) == [Clock("start", 5.0), Clock("tick", 5.0), Clock("stop", 5.0)]


def test_garbage_and_messages_cut_short_ask_for_nothing_and_the_next_one_counts():
    found = player(Binding("cc", 7, 0, "strength", mode="jump"))
    assert plays(found, 0x07, 0x7F, 0xF0, 1, 2, 0xB0, 7, 0xB0, 7, 0, 0xFF) == [SetUnit("strength", 0.0)]


def test_a_knob_takes_its_setting_over_where_the_value_is():
    found = player(Binding("cc", 7, 0, "strength"), strength=1.5)  # in the middle
    assert plays(found, 0xB0, 7, 10, 0xB0, 7, 30) == []
    (taken,) = plays(found, 0xB0, 7, 100)  # past the middle
    assert taken == SetUnit("strength", 100 / 127)
    assert plays(found, 0xB0, 7, 101) == [SetUnit("strength", 101 / 127)]
    settings = found._settings or Settings()
    found.follow(Change("midi", ("strength",), settings.replace(strength=2.4)), own=True)
    assert plays(found, 0xB0, 7, 120) == [SetUnit("strength", 120 / 127)]
    found.follow(Change("keyboard", ("strength",), settings.replace(strength=0.3)), own=False)
    assert plays(found, 0xB0, 7, 119) == []  # somebody else has moved it


def test_another_controllers_change_lets_go_of_a_knob():
    found = player(Binding("cc", 7, 0, "strength"), strength=3.0)
    assert plays(found, 0xB0, 7, 127) != []
    found.follow(Change("midi", ("strength",), Settings(strength=3.0)), own=True)
    found.follow(Change("midi", ("strength",), Settings(strength=1.0)), own=True)  # by another one
    assert plays(found, 0xB0, 7, 126) == []


def test_a_fine_controller_has_fourteen_bits():
    found = player(Binding("cc", 2, 0, "strength", mode="jump", fine=True))
    assert plays(found, 0xB0, 2, 64, 0xB0, 34, 1)[-1] == SetUnit("strength", (64 * 128 + 1) / 16383)
    assert plays(found, 0xB0, 2, 127, 0xB0, 34, 127)[-1] == SetUnit("strength", 1.0)


@pytest.mark.parametrize(
    ("mode", "levels", "steps"),
    [
        ("twos", (1, 3, 127, 125), (1, 3, -1, -3)),
        ("offset", (65, 67, 63, 61), (1, 3, -1, -3)),
        ("sign", (1, 3, 65, 67), (1, 3, -1, -3)),
    ],
)
def test_endless_encoders_turn_both_ways(mode, levels, steps):
    assert tuple(turned(mode, level) for level in levels) == steps


def test_the_next_control_that_moves_is_learnt():
    found = player(Binding("cc", 7, 0, "strength", mode="jump"))
    found.desk.learning = "zoom"
    assert plays(found, 0x80, 36, 0) == []
    assert found.desk.learning == "zoom"  # a button that was let go is not meant
    assert plays(found, 0xB1, 7, 50) == []
    assert found.learnt == [Binding("cc", 7, 2, "zoom")]
    assert found.desk.learning == ""
    assert [one.setting for one in found.map.controls] == ["zoom"]
    found.desk.learning = "freeze"
    plays(found, 0x90, 36, 90)
    assert plays(found, 0x90, 36, 90) == []  # still held
    plays(found, 0x90, 36, 0)
    assert plays(found, 0x90, 36, 90) == [Toggle("freeze")]


def test_lamps_and_rings_show_switches_values_and_the_scene():
    found = player(
        Binding("note", 1, 0, "freeze", mode="toggle", light=True),
        Binding("cc", 2, 3, "strength", light=True),
        Binding("note", 3, scene="fur", light=True),
        Binding("note", 4, command=Command.TAP),
        freeze=True,
        strength=3.0,
    )
    assert found.lights(View(found.desk.view.settings, scene="fur")) == {
        ("note", 1, 1): 127,
        ("cc", 3, 2): 127,
        ("note", 1, 3): 127,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("controls = []", "controls: unknown; possible: device, control, programs"),
        ("[[control]]\nsetting='zoom'", "control 1: found none, expected one of cc, note, pitch_bend"),
        ("[[control]]\ncc=1\nnote=2\nsetting='zoom'", "found cc and note"),
        ("[[control]]\ncc=128\nsetting='zoom'", "cc: invalid value 128: expected 0–127"),
        ("[[control]]\ncc=1", "found none, expected one of setting, scene, command"),
        ("[[control]]\ncc=1\nsetting='zoomm'", "setting: invalid value 'zoomm'"),
        ("[[control]]\ncc=1\nsetting='dream_to'\nmode='up'", "possible: next"),
        ("[[control]]\ncc=1\nsetting='zoom'\nmode='toggle'", "zoom is not one"),
        ("[[control]]\ncc=1\nsetting='zoom'\nmode='fast'", "mode: invalid value 'fast': expected pickup"),
        (
            "[[control]]\ncc=40\nfine=true\nsetting='zoom'",
            "fine = true is for the setting of a cc from 0 to 31",
        ),
        ("[[control]]\nnote=1\ncommand='explode'", "command: invalid value 'explode': expected quit"),
        ("[programs]\n200='fur'", "programs: '200': invalid value 'fur'"),
        ("device = 3", "device: invalid value 3"),
        ("device = ", "cannot be read"),
    ],
)
def test_a_mistake_in_a_map_is_named_and_the_other_maps_play(tmp_path, text, said):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(LivedreamError, match=said):
        read_map(tmp_path / "bad.toml")
    maps, problems = read_maps(tmp_path)
    assert len(maps) == 3
    assert len(problems) == 1


def test_the_shipped_maps_play_and_name_scenes_that_exist():
    from livedream.cli.midi import listing

    for path in SHIPPED.glob("*.toml"):
        found = read_map(path)
        assert len(found.controls) >= 30
        assert len({(one.kind, one.channel, one.number) for one in found.controls}) == len(found.controls)
        assert len(listing(found).splitlines()) == len(found.controls)


def test_a_written_map_is_read_back(tmp_path):
    controls = (
        Binding("cc", 1, 3, "zoom", fine=True, light=True),
        Binding("note", 2, 0, "freeze", mode="hold"),
        Binding("pitch", 0, 0, "spin", mode="jump"),
        Binding("note", 5, scene='a "scene"'),
        Binding("note", 6, command=Command.FULL_SCREEN),
    )
    map = MidiMap("My: Box", controls, {3: "fur"})
    path = save_map(tmp_path / "maps", map)
    read = read_map(path)
    assert (read.device, read.programs) == (map.device, map.programs)
    assert read.text() == map.text()


def test_a_device_is_known_by_its_name_whatever_number_it_has():
    maps = [MidiMap("kontrol2"), MidiMap("midi mix")]
    assert map_for("nanoKONTROL2:nanoKONTROL2 MIDI 1 28:0", maps).device == "kontrol2"
    assert map_for("Unknown Box:Unknown Box MIDI 1 20:0", maps).device == "Unknown Box"
    assert device_name("Box 3") == "Box"


class FakePorts:
    """A machine with MIDI ports, into which devices are plugged by the test."""

    name = "fake"

    def __init__(self) -> None:
        self.plugged: list[str] = []
        self.receive: dict = {}
        self.sent: list[bytes] = []
        self.lit = threading.Event()

    def inputs(self):
        return list(self.plugged)

    outputs = inputs

    def listen(self, name, receive):
        self.receive[name] = receive
        return self

    def send_to(self, name):
        return self

    def send(self, message):
        self.sent.append(message)
        self.lit.set()

    def close(self):
        pass


@pytest.fixture
def ports():
    return FakePorts()


@pytest.fixture
def midi(ports, tmp_path):
    (tmp_path / "box.toml").write_text(
        'device = "Box"\n[[control]]\ncc = 7\nsetting = "strength"\nmode = "jump"\n'
        '[[control]]\nnote = 1\nsetting = "freeze"\nlight = true\n'
    )
    desk = Desk(Settings())
    control = Midi(desk, tmp_path, lambda: ports)
    control.desk = desk
    yield control
    control.close()


def test_a_device_plays_as_soon_as_it_is_plugged_in_and_again_after_a_replug(midi, ports):
    assert midi.devices == ()
    for name in ("Box 20:0", "Box 24:0"):
        ports.plugged = [name]
        midi.look()
        assert midi.devices == (name,)
        ports.receive[name](bytes([0xB0, 7, 127]))
        assert midi.poll() == [SetUnit("strength", 1.0)]
    ports.plugged = []
    midi.look()
    assert midi.devices == ()


def test_what_is_no_message_is_refused_and_the_next_is_heard(midi, ports, caplog):
    ports.plugged = ["Box"]
    midi.look()
    for data in (b"", b"\x07", b"\xb0\x07", b"\xb0\x07\xff", bytes(300)):
        for _ in range(100):
            ports.receive["Box"](data)
    ports.receive["Box"](bytes([0xB0, 7, 0]))
    assert midi.poll() == [SetUnit("strength", 0.0)]
    assert sum("an invalid message" in record.message for record in caplog.records) <= 2


def test_lamps_follow_the_settings(midi, ports):
    ports.plugged = ["Box"]
    midi.look()
    midi.announce(Change("keyboard", ("freeze",), Settings(freeze=True)))
    deadline = time.monotonic() + 30
    while bytes([0x90, 1, 127]) not in ports.sent and time.monotonic() < deadline:
        ports.lit.wait(1.0)
        ports.lit.clear()
    assert bytes([0x90, 1, 127]) in ports.sent


def test_what_was_learnt_is_kept_for_the_next_show(midi, ports, tmp_path):
    ports.plugged = ["Pad 3"]
    midi.look()
    midi.desk.learning = "zoom"
    ports.receive["Pad 3"](bytes([0xB0, 9, 1]))
    assert midi.poll() == [Learn("zoom", "CC 9 on channel 1")]
    deadline = time.monotonic() + 30
    while not (tmp_path / "pad.toml").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert map_for("Pad 7", read_maps(tmp_path)[0]).controls[0].setting == "zoom"


def test_a_knob_that_moves_while_its_device_is_opened_is_learnt(midi, ports):
    def listen(name, receive):
        receive(bytes([0xB0, 9, 1]))
        return ports

    ports.plugged, ports.listen, midi.desk.learning = ["Pad 3"], listen, "zoom"
    midi.look()
    assert midi.devices == ("Pad 3",)
    assert midi.poll() == [Learn("zoom", "CC 9 on channel 1")]


def test_the_same_value_a_thousand_times_a_second_takes_one_place(midi, ports):
    ports.plugged = ["Box"]
    midi.look()
    for n in range(1000):
        ports.receive["Box"](bytes([0xB0, 7, n % 128]))
    assert midi.poll() == [SetUnit("strength", (999 % 128) / 127)]


@pytest.mark.parametrize("what", ["midi_ports.PygamePorts", "gamepad.SdlPads"])
def test_pygame_does_not_greet_when_it_looks_for_controllers(what):
    code = "from contextlib import suppress\nfrom livedream.controls import gamepad, midi_ports\n"
    code += f"with suppress(OSError):\n    {what}()"
    variables = {name: value for name, value in os.environ.items() if name != "PYGAME_HIDE_SUPPORT_PROMPT"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""
