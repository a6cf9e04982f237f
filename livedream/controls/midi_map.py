"""The map from a MIDI controller's knobs, buttons and pads to settings, scenes and commands: a TOML file.

device = "nanoKONTROL2"     # a part of the port's name; "" is any

[[control]]
cc = 0                      # or note = 36, or pitch_bend = true
channel = 1                 # 1 to 16; any without it
setting = "strength"
mode = "pickup"             # see MODES
[[control]]
cc = 7
fine = true                 # 14 bits: this one and the one 32 above it
setting = "zoom"
[[control]]
note = 36
command = "snapshot"        # or scene = "fur"
light = true                # its lamp shows whether it is on

[programs]                  # program changes, counted from 0
0 = "fur"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedream.controls.actions import Command
from livedream.controls.targets import (
    invalid,
    one_of,
    require_known,
    require_mode,
    switch,
    table_of,
    tables_of,
    target_of,
    whole,
)
from livedream.data import shipped
from livedream.errors import LivedreamError, UsageError, quoted
from livedream.files import replace_file
from livedream.settings import SPECS
from livedream.toml_files import read_toml, toml

#: What a control does with its setting. ``pickup`` moves it once the knob has reached the present value,
#: ``jump`` at once; ``toggle`` turns a switch over with each press, ``hold`` holds it on; ``next``,
#: ``previous``, ``up`` and ``down`` step with each press. The last three are endless encoders: how one says
#: "back by one" is 127, 63 or 65.
MODES = ("pickup", "jump", "toggle", "hold", "next", "previous", "up", "down", "twos", "offset", "sign")
#: Maps that come with livedream, for small controllers.
SHIPPED = shipped("midi")
_KEYS = ("cc", "note", "pitch_bend", "channel", "fine", "setting", "scene", "command", "mode", "light")
_FINE_CCS = 32
_MOST_CONTROLS = 1024


@dataclass(frozen=True)
class Binding:
    """One knob, button or pad, and what it does: ``setting`` with ``mode``, ``scene`` or ``command``.

    ``kind`` is ``cc``, ``note`` or ``pitch``, ``number`` that of the controller or note; ``channel`` 1 to 16,
    0 for any.
    """

    kind: str
    number: int = 0
    channel: int = 0
    setting: str = ""
    scene: str = ""
    command: Command | None = None
    mode: str = "pickup"
    fine: bool = False
    light: bool = False

    def matches(self, kind: str, channel: int, number: int) -> bool:
        """Whether a message of this kind comes from it."""
        return (self.kind, self.number) == (kind, number) and self.channel in (0, channel)

    @property
    def source(self) -> str:
        """What it is, in words: ``CC 7``."""
        words = {"cc": f"CC {self.number}", "note": f"note {self.number}", "pitch": "pitch bend"}[self.kind]
        return f"{words} on channel {self.channel}" if self.channel else words

    @property
    def target(self) -> str:
        """What it does, in words."""
        if self.command is not None:
            return self.command.value
        return f"scene {self.scene}" if self.scene else f"{self.setting} ({self.mode})"


@dataclass(frozen=True)
class MidiMap:
    """What the controllers of one kind do. ``programs`` are scenes by the number of a program change."""

    device: str = ""
    controls: tuple[Binding, ...] = ()
    programs: dict[int, str] = field(default_factory=dict)

    def learnt(self, binding: Binding) -> MidiMap:
        """The map with one more control; what the same one did before is forgotten."""
        kept = [
            old
            for old in self.controls
            if (old.kind, old.number) != (binding.kind, binding.number)
            or (0 not in (old.channel, binding.channel) and old.channel != binding.channel)
        ]
        return MidiMap(self.device, (*kept, binding), self.programs)

    def text(self) -> str:
        """The map's file."""
        lines = [f"device = {toml(self.device)}"]
        for one in self.controls:
            number = "pitch_bend = true" if one.kind == "pitch" else f"{one.kind} = {one.number}"
            lines += ["", "[[control]]", number]
            lines += [f"channel = {one.channel}"] if one.channel else []
            lines += ["fine = true"] if one.fine else []
            if one.command is not None:
                lines.append(f"command = {toml(one.command.value.replace(' ', '_'))}")
            elif one.scene:
                lines.append(f"scene = {toml(one.scene)}")
            else:
                lines += [f"setting = {toml(one.setting)}", f"mode = {toml(one.mode)}"]
            lines += ["light = true"] if one.light else []
        if self.programs:
            lines += [
                "",
                "[programs]",
                *(f"{number} = {toml(name)}" for number, name in self.programs.items()),
            ]
        return "\n".join(lines) + "\n"


def default_mode(setting: str, kind: str) -> str:
    """What a control of this kind does with a setting if its map does not say."""
    spec = SPECS[setting]
    if spec.kind is bool:
        return "toggle"
    if kind != "note":
        return "pickup"
    return "next" if spec.minimum is None or spec.choices else "up"


def read_map(path: Path) -> MidiMap:
    """The map in a file. Raises ``UsageError``, or ``UnreadableError``, in one line."""
    where, content = f"MIDI map {path}", read_toml(path, "MIDI map")
    require_known(where, content, ("device", "control", "programs"))
    device = content.get("device", "")
    if not isinstance(device, str):
        raise invalid(where, "device", device, "a part of the port's name")
    tables = tables_of(where, content, "control", 0, _MOST_CONTROLS)
    controls = tuple(_binding(f"{where}: control {n}", table) for n, table in enumerate(tables, 1))
    return MidiMap(device, controls, _programs(where, content.get("programs", {})))


def _programs(where: str, table: Any) -> dict[int, str]:
    if not isinstance(table, dict):
        raise invalid(where, "programs", table, 'lines such as 0 = "fur"')
    found = {}
    for number, scene in table.items():
        if not number.isdecimal() or not 0 <= int(number[:4]) <= 127 or not isinstance(scene, str):
            raise invalid(where, f"programs: {quoted(number)}", scene, "0–127 and the name of a scene")
        found[int(number)] = scene
    return found


def _binding(where: str, table: Any) -> Binding:
    table = table_of(where, table, "control", _KEYS)
    kind, number = _source(where, table)
    setting, scene, command = target_of(where, table)
    fine, light = (switch(where, name, table.get(name, False)) for name in ("fine", "light"))
    if fine and (kind != "cc" or number >= _FINE_CCS or not setting):
        raise UsageError(f"{where}: fine = true is for the setting of a cc from 0 to {_FINE_CCS - 1}")
    mode = table.get("mode", default_mode(setting, kind) if setting else "toggle")
    if mode not in MODES:
        raise invalid(where, "mode", mode, ", ".join(MODES))
    if setting:
        require_mode(where, setting, mode)
    channel = whole(where, "channel", table.get("channel", 0), 0, 16)
    return Binding(kind, number, channel, setting, scene, command, mode, fine, light)


def _source(where: str, table: dict[str, Any]) -> tuple[str, int]:
    source = one_of(where, table, ("cc", "note", "pitch_bend"))
    if source == "pitch_bend":
        if table[source] is not True:
            raise invalid(where, source, table[source], "true")
        return "pitch", 0
    return source, whole(where, source, table[source], 0, 127)


def read_maps(own: Path) -> tuple[list[MidiMap], list[str]]:
    """The maps in the user's folder, then the shipped ones; and what is wrong with the others."""
    maps, problems = [], []
    for path in (*sorted(own.glob("*.toml")), *sorted(SHIPPED.glob("*.toml"))):
        try:
            maps.append(read_map(path))
        except LivedreamError as error:
            problems.append(str(error))
    return maps, problems


def map_for(port: str, maps: Sequence[MidiMap]) -> MidiMap:
    """The first map whose device is named in ``port``; an empty one for a device that has none."""
    named = [found for found in maps if found.device and found.device.lower() in port.lower()]
    any_device = [found for found in maps if not found.device]
    return next(iter((*named, *any_device)), MidiMap(device_name(port)))


def device_name(port: str) -> str:
    """The device in a port's name, which may end in numbers that change: ``nanoKONTROL2:0 20:0``."""
    return port.rstrip("0123456789: ").partition(":")[0] or port


def save_map(own: Path, map: MidiMap) -> Path:
    """Write a map into the user's folder; its path. Raises ``OutputError``."""
    from livedream.places import create

    name = "".join(c if c.isalnum() else "-" for c in map.device.lower()).strip("-")[:60] or "any"
    path = create(own) / f"{name}.toml"
    replace_file(path, map.text().encode())
    return path
