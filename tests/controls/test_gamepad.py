"""Gamepads: sticks, triggers and buttons, by SDL's own virtual pads and by scripted ones."""

from __future__ import annotations

import ctypes
import time

import pytest

from livedream.controls.actions import COMMANDS, Command, Cycle, Nudge, Recall, Set, SetUnit, Toggle
from livedream.controls.desk import Desk
from livedream.controls.gamepad import Gamepads, SdlPads, alive
from livedream.controls.gamepad_map import AXES, BUTTONS, DEFAULT, PadBinding, read_gamepad_map
from livedream.controls.port import Change
from livedream.errors import LivedreamError
from livedream.settings import Settings
from livedream.sinks.sdl import library


class FakePad:
    name = "a pad"

    def __init__(self) -> None:
        self.axes, self.buttons, self.plugged = {}, set(), True

    def attached(self):
        return self.plugged

    def get_axis(self, axis):
        return round(self.axes.get(axis, 0.0) * 32767)

    def get_button(self, button):
        return button in self.buttons

    def quit(self):
        self.plugged = False


class Table:
    """Gamepads with one scripted pad, at a time that the test sets."""

    def __init__(self, *map: PadBinding, **settings) -> None:
        self.now, self.pad = 100.0, FakePad()
        self.pads = {7: self.pad}
        self.desk = Desk(Settings(**settings))
        self.gamepads = Gamepads(self.desk, map, lambda: self, lambda: self.now)
        self.gamepads._importing.join()
        assert self.poll() == []

    def update(self):
        pass

    def found(self):
        return dict(self.pads)

    def poll(self, seconds: float = 0.02) -> list:
        self.now += seconds
        return self.gamepads.poll()


def axis(name: str, setting: str, mode: str = "spring", inverted: bool = False) -> PadBinding:
    return PadBinding(True, AXES.index(name), setting, mode=mode, inverted=inverted)


def button(name: str, setting: str = "", **target) -> PadBinding:
    return PadBinding(False, BUTTONS.index(name), setting, **target)


def test_a_spring_follows_the_stick_and_comes_back_once():
    table = Table(axis("left_x", "pan_x"))
    table.pad.axes[0] = 1.0
    assert table.poll() == [SetUnit("pan_x", 1.0)]
    assert table.poll() == []
    table.pad.axes[0] = 0.1  # a worn stick, let go
    assert table.poll() == [SetUnit("pan_x", 0.5)]
    assert table.poll() == []


def test_a_rate_moves_at_the_same_speed_however_often_it_is_read():
    ends = []
    for hz in (50, 20):
        table = Table(axis("right_y", "strength", "rate", inverted=True), strength=0.0)
        table.pad.axes[AXES.index("right_y")] = -1.0
        for _ in range(hz):
            for action in table.poll(1 / hz):
                settings = table.desk.view.settings.replace(strength=round(3 * action.unit, 6))
                table.gamepads.announce(Change("gamepad", ("strength",), settings))
        ends.append(settings.strength)
    assert ends == pytest.approx([1.5, 1.5], abs=0.1)


def test_a_rate_goes_on_from_where_somebody_else_has_put_it():
    table = Table(axis("left_y", "strength", "rate"), strength=0.0)
    table.pad.axes[1] = 1.0
    table.poll()
    table.gamepads.announce(Change("keyboard", ("strength",), Settings(strength=1.5)))
    (action,) = table.poll()
    assert action.unit == pytest.approx(0.51, abs=0.01)


def test_a_whole_number_is_moved_though_each_reading_is_less_than_a_step():
    table = Table(axis("left_y", "octaves", "rate"), octaves=3)
    table.pad.axes[1] = 1.0
    asked = [action for _ in range(40) for action in table.poll()]
    assert asked
    assert asked[0].unit == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("binding", "down", "up"),
    [
        (button("a", "journey", mode="toggle"), [Toggle("journey")], []),
        (button("a", "freeze", mode="hold"), [Set("freeze", True)], [Set("freeze", False)]),
        (button("a", "layer", mode="previous"), [Cycle("layer", -1)], []),
        (button("a", "steps", mode="up"), [Nudge("steps", 1)], []),
        (button("a", scene="fur"), [Recall("fur")], []),
        (button("a", command=Command.GO), [Command.GO], []),
    ],
)
def test_a_button_acts_once_when_it_is_pressed(binding, down, up):
    table = Table(binding)
    table.pad.buttons = {0}
    assert table.poll() == down
    assert table.poll() == []
    table.pad.buttons = set()
    assert table.poll() == up


def test_a_pad_may_go_and_another_come():
    table = Table(button("a", command=Command.GO))
    table.pad.plugged, table.pads = False, {}
    assert table.poll(1.1) == []
    other = FakePad()
    table.pads = {8: other}
    table.poll(1.1)
    other.buttons = {0}
    assert table.poll() == [Command.GO]


def test_the_middle_of_a_stick_is_dead():
    found = [alive(way) for way in (0.1, -0.15, 1.0, -1.0, 0.575)]
    assert found == pytest.approx([0, 0, 1, -1, 0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "control: invalid value"),
        ("[[control]]\nsetting='zoom'", "found none, expected one of axis, button"),
        ("[[control]]\naxis='x'\nsetting='zoom'", "axis: invalid value 'x': expected left_x"),
        ("[[control]]\nbutton='q'\nsetting='zoom'", "button: invalid value 'q': expected a, b"),
        ("[[control]]\naxis='left_x'\nscene='fur'", "an axis is for a setting"),
        ("[[control]]\naxis='left_x'\nsetting='layer'", "an axis is for a number"),
        ("[[control]]\nbutton='a'\nsetting='zoom'\nmode='toggle'", "zoom is not one"),
        ("[[control]]\nbutton='a'\nsetting='zoom'\nmode='spring'", "mode: invalid value 'spring'"),
        ("[[control]]\nbutton='a'\ncommand='explode'", "command: invalid value 'explode'"),
    ],
)
def test_a_mistake_in_a_map_is_named(tmp_path, text, said):
    (tmp_path / "pad.toml").write_text(text)
    with pytest.raises(LivedreamError, match=said):
        read_gamepad_map(tmp_path / "pad.toml")


def test_the_usual_map_has_every_stick_and_button():
    found = read_gamepad_map(DEFAULT)
    assert {one.number for one in found if one.axis} == set(range(len(AXES)))
    assert {one.number for one in found if not one.axis} == set(range(len(BUTTONS)))
    assert all(one.command is None or one.command in COMMANDS.values() for one in found)


@pytest.fixture
def virtual():
    """SDL's own virtual gamepad: its number among the devices, and the library."""
    sdl = library()
    if sdl is None or not hasattr(sdl, "SDL_JoystickAttachVirtual"):
        pytest.skip("this SDL has no virtual gamepads")
    sdl.SDL_JoystickFromInstanceID.restype = ctypes.c_void_p
    sdl.SDL_JoystickSetVirtualAxis.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int16]
    sdl.SDL_JoystickSetVirtualButton.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8]
    return sdl


def test_a_real_pad_of_sdl_plays_and_is_found_again_after_a_replug(virtual):
    now = [100.0]
    gamepads = Gamepads(Desk(Settings()), read_gamepad_map(DEFAULT), SdlPads, lambda: now[0])
    gamepads._importing.join()

    def poll() -> list:
        now[0] += 1.1
        time.sleep(0.001)
        return gamepads.poll()

    assert poll() == []
    try:
        for _ in range(2):
            index = virtual.SDL_JoystickAttachVirtual(1, 6, 21, 0)
            assert index >= 0
            poll()
            (number,) = gamepads._found
            pad = virtual.SDL_JoystickFromInstanceID(number)
            virtual.SDL_JoystickSetVirtualAxis(pad, 0, 32767)
            virtual.SDL_JoystickSetVirtualButton(pad, 1, 1)
            assert poll() == [SetUnit("pan_x", 1.0), Toggle("blackout")]
            virtual.SDL_JoystickSetVirtualAxis(pad, 0, 0)
            assert poll() == [SetUnit("pan_x", 0.5)]
            virtual.SDL_JoystickDetachVirtual(index)
            poll()
            assert gamepads._found == {}
    finally:
        gamepads.close()
