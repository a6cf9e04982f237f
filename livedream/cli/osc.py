"""``livedream osc``: every OSC address, with what it takes."""

from __future__ import annotations

import sys
from pathlib import Path

from livedream.cli.parser import Parser, folder
from livedream.controls.desk import View
from livedream.controls.osc_addresses import Address, addresses
from livedream.performance.scenes import Scenes
from livedream.performance.state import PlayState
from livedream.settings import Settings


def osc_command(words: list[str]) -> None:
    """Run ``livedream osc`` with the words that follow it."""
    parser = Parser(prog="livedream osc", description="Every OSC address, its arguments, and what it does.")
    parser.add_argument("--scenes", type=folder, metavar="DIR", help="folder of your own scenes")
    parser.add_argument(
        "--network", default=Settings.network, help="whose layers are listed (default: %(default)s)"
    )
    found = parser.parse_args(words)
    sys.stdout.write(listing(view_of(found.network, found.scenes)))


def view_of(network: str = Settings.network, scenes: Path | None = None) -> View:
    """The show as it is before it starts. Raises ``UsageError`` and ``NetworkError`` for the network."""
    state = PlayState.begin(Settings(network=network), None)
    lists = state.lists() | {"guide": ("",)}  # the running show knows more
    return View(state.settings, lists, Scenes(scenes).titles())


def listing(view: View) -> str:
    """Every address with its type tag, range and help, a line each."""
    found = list(addresses(view))
    width = max(len(address.path) for address in found)
    return "".join(f"{_line(address, width)}\n" for address in found)


def _line(address: Address, width: int) -> str:
    return f"{address.path:{width}}  {address.types or '-'}  {address.possible}  · {address.help}"


def table(view: View) -> str:
    """The Markdown table of docs/osc.md, a row for each setting and command, without the scenes."""
    rows = ["| address | argument | what it does |", "| --- | --- | --- |"]
    rows += [
        f"| `{address.path}` | {address.possible} | {address.help} |"
        for address in addresses(view)
        if not address.path.startswith("/dream/scene/")
    ]
    return "\n".join(rows)
