"""``livedream dmx``: a map for a lighting desk to begin with, and what is in one, or wrong with it."""

from __future__ import annotations

import sys
from pathlib import Path

from livedream.cli.parser import Parser, folder
from livedream.controls.dmx_map import Channel, DmxMap, default_map, read_map
from livedream.errors import UsageError
from livedream.performance.scenes import Scenes


def dmx_command(words: list[str]) -> None:
    """Run ``livedream dmx`` with the words that follow it. Raises ``UsageError`` for a mistake in a map."""
    parser = Parser(prog="livedream dmx", description="What a lighting desk may do; played with --dmx MAP.")
    parser.add_argument("file", nargs="?", type=Path, metavar="MAP.toml", help="list its channels")
    parser.add_argument("--map", action="store_true", help="print a map to begin with")
    parser.add_argument("--scenes", type=folder, metavar="DIR", help="folder of your own scenes")
    found = parser.parse_args(words)
    if found.map == (found.file is not None):
        raise UsageError("livedream dmx wants --map, or MAP.toml; see livedream dmx --help")
    scenes = Scenes(found.scenes)
    if found.map:
        sys.stdout.write(default_map(scenes.titles()))
        return
    read = read_map(found.file)
    sys.stdout.write(listing(read))
    named = {name for channel in read.channels for name, _, _ in channel.scenes}
    if unknown := sorted(named - set(scenes.paths())):
        raise UsageError(
            f"DMX map {found.file}: unknown scenes {', '.join(unknown)}; possible:"
            f" {', '.join(scenes.paths())}"
        )


def listing(map: DmxMap) -> str:
    """Every channel of a map in a line."""
    return "".join(
        f"{channel.universe:>5} {_numbers(channel):>7}  {_target(channel)}\n" for channel in map.channels
    )


def _numbers(channel: Channel) -> str:
    return f"{channel.channel}+{channel.channel + 1}" if channel.bits == 16 else str(channel.channel)


def _target(channel: Channel) -> str:
    if channel.setting:
        return channel.setting
    if channel.command is not None:
        return f"{channel.command.value}, from {channel.threshold}"
    return "scenes " + ", ".join(f"{name} {low}–{high}" for name, low, high in channel.scenes)
