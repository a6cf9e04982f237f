"""The map from DMX channels to settings, scenes and commands: a TOML file.

protocol = "both"           # artnet, sacn or both
listen = "0.0.0.0"          # this machine's address in the lights' network; 0.0.0.0: all that it has
universe = 1                # of the channels that name none

[[channel]]
channel = 1                 # 1 to 512
setting = "strength"        # 0 to 255 over its range
[[channel]]
channel = 2
bits = 16                   # this channel and the next
setting = "zoom"
[[channel]]
channel = 10
scenes = { eyes = [10, 19], ghost = [20, 29] }
[[channel]]
channel = 11
command = "snapshot"        # when it rises to the threshold
threshold = 128
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from livedream.controls.actions import Action, Command, Recall, SetUnit
from livedream.controls.desk import SceneTitle
from livedream.controls.dmx_packets import CHANNELS
from livedream.controls.targets import (
    command_of,
    invalid,
    one_of,
    require_known,
    setting_of,
    table_of,
    tables_of,
    whole,
)
from livedream.errors import UsageError
from livedream.settings import SPECS
from livedream.toml_files import read_toml

PROTOCOLS = ("artnet", "sacn", "both")
_MOST_UNIVERSE = 63999
_MOST_CHANNELS = 4096
_KEYS = ("universe", "channel", "bits", "setting", "scenes", "command", "threshold")
#: What the default map begins with: what a lighting desk plays.
_DEFAULT_SETTINGS = ("strength", "persistence_s", "dream_blend", "restraint", "vignette", "feedback", "layer")
_DEFAULT_FINE = ("zoom", "spin")
_DEFAULT_SWITCHES = ("freeze", "blackout", "journey")
_DEFAULT_COMMANDS = ("go", "tap", "snapshot", "record")


@dataclass(frozen=True)
class Channel:
    """One channel (or two, of 16 bits) and what it does: ``setting``, ``scenes`` or ``command``.

    ``channel`` counts from 1. ``scenes`` are (name, lowest, highest level).
    """

    universe: int
    channel: int
    bits: int = 8
    setting: str = ""
    scenes: tuple[tuple[str, int, int], ...] = ()
    command: Command | None = None
    threshold: int = 128

    def level(self, levels: bytes) -> int | None:
        """Its level among those of its universe: 0–255, or 0–65535; None while nobody has sent it."""
        found = levels[self.channel - 1 : self.channel - 1 + self.bits // 8]
        return int.from_bytes(found, "big") if len(found) == self.bits // 8 else None

    def action(self, level: int, before: int | None) -> Action | None:
        """What a change to ``level`` asks for; ``before`` is None for the first level."""
        if self.setting:
            middle = 1 << (self.bits - 1)  # no level is half of 255: a zoom of none would not be possible
            unit = 0.5 if level in (middle - 1, middle) else level / ((1 << self.bits) - 1)
            return SetUnit(self.setting, unit)
        if self.scenes:
            scene = self._scene(level)
            return Recall(scene) if scene and (before is None or scene != self._scene(before)) else None
        rises = before is not None and before < self.threshold <= level
        return self.command if rises else None

    def _scene(self, level: int) -> str:
        return next((name for name, low, high in self.scenes if low <= level <= high), "")


@dataclass(frozen=True)
class DmxMap:
    """What a lighting desk may do. ``protocol`` is one of :data:`PROTOCOLS`.

    ``listen`` is 127.0.0.1 for senders on this machine; else all are heard, and ``listen`` is the address in
    whose network sACN's multicast is joined, 0.0.0.0 for the usual one.
    """

    channels: tuple[Channel, ...]
    protocol: str = "both"
    listen: str = "0.0.0.0"


def read_map(path: Path) -> DmxMap:
    """The map in a file. Raises ``UsageError`` with the line, what is wrong in it and what is possible."""
    where, content = f"DMX map {path}", read_toml(path, "DMX map")
    require_known(where, content, ("protocol", "listen", "universe", "channel"))
    protocol = content.get("protocol", "both")
    if protocol not in PROTOCOLS:
        raise invalid(where, "protocol", protocol, ", ".join(PROTOCOLS))
    universe = whole(where, "universe", content.get("universe", 1), 0, _MOST_UNIVERSE)
    tables = tables_of(where, content, "channel", 1, _MOST_CHANNELS)
    lines = _lines(path)
    return DmxMap(
        tuple(
            _channel(f"{where} line {lines[n]}" if len(lines) == len(tables) else where, table, universe)
            for n, table in enumerate(tables)
        ),
        protocol,
        _listen(where, content.get("listen", "0.0.0.0")),
    )


def _listen(where: str, address: Any) -> str:
    with suppress(ValueError):
        if isinstance(address, str):  # a number is an address, too, to this library
            return str(IPv4Address(address))
    raise invalid(where, "listen", address, "an IPv4 address of this machine, or 0.0.0.0 for all")


def _lines(path: Path) -> list[int]:
    """The lines on which tables begin."""
    text = path.read_text("utf-8", "replace").splitlines()
    return [n for n, line in enumerate(text, 1) if re.match(r"\s*\[\[\s*\"?channel\"?\s*\]\]", line)]


def _channel(where: str, table: Any, universe: int) -> Channel:
    table = table_of(where, table, "channel", _KEYS)
    target = one_of(where, table, ("setting", "scenes", "command"))
    bits = table.get("bits", 8)
    if bits not in (8, 16) or isinstance(bits, bool):
        raise invalid(where, "bits", bits, "8 or 16")
    if bits == 16 and target != "setting":
        raise UsageError(f"{where}: bits = 16 is for a setting, found {target}")
    return Channel(
        whole(where, "universe", table.get("universe", universe), 0, _MOST_UNIVERSE),
        whole(where, "channel", table.get("channel"), 1, CHANNELS - (bits == 16)),
        bits,
        setting_of(where, table[target]) if target == "setting" else "",
        _scenes(where, table[target]) if target == "scenes" else (),
        command_of(where, table[target]) if target == "command" else None,
        whole(where, "threshold", table.get("threshold", 128), 1, 255),
    )


def _scenes(where: str, table: Any) -> tuple[tuple[str, int, int], ...]:
    expected = "a table such as { eyes = [10, 19] }, levels from 0 to 255"
    if not isinstance(table, dict) or not table:
        raise invalid(where, "scenes", table, expected)
    found: list[tuple[str, int, int]] = []
    for name, ends in table.items():
        if not isinstance(ends, list) or len(ends) != 2:
            raise invalid(where, f"scenes: {name}", ends, "[lowest, highest] level")
        low, high = (whole(where, f"scenes: {name}", end, 0, 255) for end in ends)
        if low > high:
            raise invalid(where, f"scenes: {name}", ends, "the lower level first")
        for other, begin, end in found:
            if low <= end and begin <= high:
                raise UsageError(f"{where}: scenes: {name} and {other} share levels; expected one per level")
        found.append((name, low, high))
    return tuple(found)


def default_map(scenes: Iterable[SceneTitle]) -> str:
    """A map to begin with, as the text of a file: faders, switches, the scenes, commands."""
    lines = [
        "# livedream's DMX map: live.py --dmx THIS_FILE. docs/dmx.md has every key.",
        'protocol = "both"         # artnet, sacn or both',
        'listen = "0.0.0.0"        # 127.0.0.1: only what this machine sends',
        "universe = 1              # as the desk counts it",
    ]
    number = 1

    def channel(text: str, comment: str, bits: int = 8) -> None:
        nonlocal number
        lines.extend(["", "[[channel]]", f"channel = {number}", f"{text:25} # {comment}"])
        if bits == 16:
            lines.append("bits = 16                 # this channel and the next")
        number += bits // 8

    for name in _DEFAULT_SETTINGS:
        channel(f'setting = "{name}"', SPECS[name].help.partition(";")[0])
    for name in _DEFAULT_FINE:
        channel(f'setting = "{name}"', SPECS[name].help, 16)
    for name in _DEFAULT_SWITCHES:
        channel(f'setting = "{name}"', f"{SPECS[name].help}: on from 128")
    names = [scene.name for scene in scenes][:24]
    ranges = ", ".join(f'"{name}" = [{10 + 10 * n}, {19 + 10 * n}]' for n, name in enumerate(names))
    if ranges:
        channel(f"scenes = {{ {ranges} }}", "10 levels each; below 10 none")
    for name in _DEFAULT_COMMANDS:
        channel(f'command = "{name}"', "when it rises to 128")
    return "\n".join(lines) + "\n"
