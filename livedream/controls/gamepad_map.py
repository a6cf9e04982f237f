"""The map from a gamepad's sticks, triggers and buttons to settings, scenes and commands: a TOML file.

[[control]]
axis = "left_x"             # see AXES
setting = "pan_x"
mode = "spring"             # see AXIS_MODES
[[control]]
button = "a"                # see BUTTONS
command = "go"              # or scene = "fur", or setting = "freeze" with mode = "toggle"
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedream.controls.actions import Command
from livedream.controls.midi_map import default_mode
from livedream.controls.targets import (
    invalid,
    one_of,
    require_known,
    require_mode,
    switch,
    table_of,
    tables_of,
    target_of,
)
from livedream.data import shipped
from livedream.errors import UsageError
from livedream.settings import SPECS
from livedream.toml_files import read_toml

#: SDL's axes and buttons of a game controller, in its order.
AXES = ("left_x", "left_y", "right_x", "right_y", "left_trigger", "right_trigger")
BUTTONS = (
    "a",
    "b",
    "x",
    "y",
    "back",
    "guide",
    "start",
    "left_stick",
    "right_stick",
    "left_shoulder",
    "right_shoulder",
    "up",
    "down",
    "left",
    "right",
)
#: ``spring``: the setting is where the stick is, in its middle when it is let go. ``rate``: the stick moves
#: it, the faster the further it is pushed. ``jump``: the setting is where the trigger is.
AXIS_MODES = ("spring", "rate", "jump")
BUTTON_MODES = ("toggle", "hold", "next", "previous", "up", "down")
_KEYS = ("axis", "button", "setting", "scene", "command", "mode", "inverted")
_MOST_CONTROLS = 256
DEFAULT = shipped("gamepad") / "default.toml"


@dataclass(frozen=True)
class PadBinding:
    """A stick's direction, a trigger or a button, and what it does. ``number`` is SDL's."""

    axis: bool
    number: int
    setting: str = ""
    scene: str = ""
    command: Command | None = None
    mode: str = ""
    inverted: bool = False


def read_gamepad_map(path: Path) -> tuple[PadBinding, ...]:
    """The map in a file. Raises ``UsageError``, or ``UnreadableError``, in one line."""
    where, content = f"gamepad map {path}", read_toml(path, "gamepad map")
    require_known(where, content, ("control",))
    tables = tables_of(where, content, "control", 1, _MOST_CONTROLS)
    return tuple(_binding(f"{where}: control {n}", table) for n, table in enumerate(tables, 1))


def _binding(where: str, table: Any) -> PadBinding:
    table = table_of(where, table, "control", _KEYS)
    source = one_of(where, table, ("axis", "button"))
    axis = source == "axis"
    names = AXES if axis else BUTTONS
    name = table[source]
    if name not in names:
        raise invalid(where, source, name, ", ".join(names))
    setting, scene, command = target_of(where, table)
    inverted = switch(where, "inverted", table.get("inverted", False))
    mode = table.get("mode", "spring" if axis else default_mode(setting, "note") if setting else "toggle")
    modes = AXIS_MODES if axis else BUTTON_MODES
    if mode not in modes:
        raise invalid(where, "mode", mode, ", ".join(modes))
    if axis and not setting:
        raise UsageError(f"{where}: an axis is for a setting; possible: button")
    if setting and not axis:
        require_mode(where, setting, mode)
    if axis and SPECS[setting].minimum is None:
        raise UsageError(f"{where}: an axis is for a number, and {setting} is not one; possible: button")
    return PadBinding(axis, names.index(name), setting, scene, command, mode, inverted)
