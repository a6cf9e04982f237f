"""``live.py models``: which networks there are, and how their weights come here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.show.parser import Parser

if TYPE_CHECKING:
    from livedream.networks.importing import Imported


def models_command(words: list[str]) -> None:
    """Run ``live.py models`` with the words that follow it."""
    parser = Parser(prog="live.py models", description="The networks that can dream.")
    commands = parser.add_subparsers(metavar="WHAT", required=True, dest="what")
    listing = commands.add_parser(
        "list", help="the networks, and where their weights are; with NAME, its layers"
    )
    listing.add_argument("name", nargs="?", metavar="NAME", help="a network")
    listing.set_defaults(run=_list)
    importing = commands.add_parser(
        "import",
        help="take a weight file into models/",
        description="Reads a weight file, checks that every tensor fits the network, and writes"
        " models/NAME.safetensors, which the mirror finds by itself.",
    )
    importing.add_argument(
        "file", type=Path, metavar="FILE", help="a .caffemodel, .npz, .safetensors, .pth or .pt file"
    )
    importing.add_argument(
        "--as", dest="name", required=True, metavar="NAME", help="the network; see live.py models list"
    )
    importing.set_defaults(run=_import)
    fetching = commands.add_parser(
        "fetch",
        help="download a network's weights into models/",
        description="Downloads a network's weights from their official place, checks their hash, and writes"
        " models/NAME.safetensors. A download that broke off goes on where it was.",
    )
    fetching.add_argument("name", metavar="NAME", help="the network; see live.py models list")
    fetching.set_defaults(run=_fetch)
    for command in (importing, fetching):
        command.add_argument("--force", action="store_true", help="replace the weights that are there")
    found = parser.parse_args(words)
    found.run(found)


def _list(found: argparse.Namespace) -> None:
    from livedream.networks.listing import network_text, networks_text

    sys.stdout.write(network_text(found.name) if found.name else networks_text())


def _import(found: argparse.Namespace) -> None:
    from livedream.networks.importing import import_weights

    _say(found.name, found.file.name, import_weights(found.file, found.name, force=found.force))


def _fetch(found: argparse.Namespace) -> None:
    from livedream.networks.fetching import fetch_weights

    _say(found.name, "the download", fetch_weights(found.name, force=found.force))


def _say(name: str, source: str, imported: Imported) -> None:
    megabytes = imported.path.stat().st_size / 1e6
    sys.stdout.write(
        f"{source} fits {name}: {imported.tensors} tensors, every name, shape and number checked\n"
        f"wrote {imported.path} ({megabytes:.0f} MB, sha256 {imported.sha256[:8]}…)\n"
        f"use it: live.py --network {name}\n"
    )
