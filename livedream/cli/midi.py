"""``livedream midi``: the controllers that are there, what they send, and what their maps say."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from livedream.cli.parser import Parser
from livedream.controls.midi_map import MidiMap, map_for, read_map, read_maps
from livedream.controls.midi_ports import Ports, open_ports
from livedream.errors import OutputError, UsageError
from livedream.performance.scenes import Scenes
from livedream.places import midi_dir


def midi_command(words: list[str]) -> None:
    """Run ``livedream midi`` with the words that follow it. Raises ``LivedreamError``."""
    parser = Parser(prog="livedream midi", description="MIDI controllers, and what they play.")
    parser.add_argument(
        "what",
        choices=("list", "monitor", "map"),
        help="list: controllers and their maps; monitor: what they send; map: what is in a map",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="MAP.toml", help="the map to check and print")
    found = parser.parse_args(words)
    if (found.what == "map") != (found.file is not None):
        raise UsageError("livedream midi map wants MAP.toml, list and monitor no file")
    if found.what == "map":
        sys.stdout.write(listing(read_map(found.file)))
        return
    try:
        ports = open_ports()
        names = ports.inputs()
    except OSError as error:
        raise OutputError(f"no MIDI on this machine: {error}") from error
    if found.what == "list":
        _list(names)
    else:
        _monitor(ports, names)


def _list(names: list[str]) -> None:
    maps, problems = read_maps(midi_dir())
    for name in names or ["no controller is plugged in"]:
        sys.stdout.write(f"{name}\n")
        if names:
            sys.stdout.write(
                listing(map_for(name, maps)) or "  no map: learn one, by Shift L in the mirror\n"
            )
    for problem in problems:
        sys.stderr.write(f"livedream: {problem}\n")


def listing(map: MidiMap) -> str:
    """Every control of a map in a line. Raises ``UsageError`` for a scene that does not exist."""
    scenes = Scenes().paths()
    named = {one.scene for one in map.controls if one.scene} | set(map.programs.values())
    lines = [f"  {one.source:<24} {one.target}\n" for one in map.controls]
    lines += [f"  program {number:<16} scene {scene}\n" for number, scene in map.programs.items()]
    if unknown := sorted(named - set(scenes)):
        raise UsageError(f"MIDI map: unknown scenes {', '.join(unknown)}; possible: {', '.join(scenes)}")
    return "".join(lines)


def _monitor(ports: Ports, names: list[str]) -> None:
    from mido import Message

    def show(name: str, data: bytes) -> None:
        try:
            text = str(Message.from_bytes(data))
        except (ValueError, IndexError):
            text = f"invalid message: {data.hex(' ')}"
        sys.stdout.write(f"{name}: {text}\n")
        sys.stdout.flush()

    if not names:
        raise OutputError("no controller is plugged in")
    inputs = []
    try:
        for name in names:
            inputs.append(ports.listen(name, lambda data, name=name: show(name, data)))  # type: ignore[misc]
        sys.stdout.write("listening; Ctrl-C ends\n")
        sys.stdout.flush()
        while True:
            time.sleep(1.0)
    finally:
        for one in inputs:
            one.close()
