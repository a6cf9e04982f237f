"""``live.py models``: which networks there are, and how their weights come here."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.cli.parser import Parser, size, whole
from livedream.errors import LivedreamError, NetworkError

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
    exporting = commands.add_parser(
        "export",
        help="write a layer's gradient as one ONNX file",
        description="Writes the gradient of a layer, at one picture size, as an ONNX file that any runtime"
        " can run, and checks it against autograd. See models/README.md for its inputs and outputs.",
    )
    exporting.add_argument("name", metavar="NAME", help="the network; see live.py models list")
    exporting.add_argument("--layer", default="parts", help="a layer of it, or a word (default: parts)")
    exporting.add_argument("--size", type=size, default=(320, 180), metavar="WxH", help="(default: 320x180)")
    exporting.add_argument("--half", action="store_true", help="half precision inside, for GPUs")
    exporting.add_argument(
        "--steps", type=whole(1, 100), default=0, metavar="N", help="N ascent steps in one graph"
    )
    exporting.add_argument(
        "--pool-gradient",
        choices=("exact", "soft"),
        default="exact",
        help="soft: as if max-pools were averages, for larger and more colourful forms",
    )
    exporting.add_argument("--guide", action="store_true", help="for guide pictures, not channel weights")
    exporting.add_argument("--out", type=Path, metavar="DIR", help="(default: models/exported)")
    exporting.set_defaults(run=_export)
    verifying = commands.add_parser(
        "verify",
        help="check exported files against autograd",
        description="Runs exported files on two random pictures and a photograph and compares them with"
        " autograd.",
    )
    verifying.add_argument(
        "files", type=Path, nargs="*", metavar="FILE", help="(default: all in models/exported)"
    )
    verifying.set_defaults(run=_verify)
    for command in (exporting, verifying):
        command.add_argument("--weights", type=Path, metavar="FILE", help="the weight file of the network")
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


def _export(found: argparse.Namespace) -> None:
    from livedream.compile.export import export
    from livedream.networks.catalogue import network_info
    from livedream.networks.graphs import GraphSidecar, GraphSpec

    width, height = found.size
    spec = GraphSpec(
        network=found.name,
        layer=network_info(found.name).layer(found.layer).name,
        width=width,
        height=height,
        half=found.half,
        steps=found.steps,
        pool_gradient=found.pool_gradient,
        guide=found.guide,
    )
    path = export(spec, found.weights, found.out)
    sys.stdout.write(
        f"wrote {path} ({path.stat().st_size / 1e6:.0f} MB): {_reached(GraphSidecar.read(path).tolerance)}\n"
    )


def _verify(found: argparse.Namespace) -> None:
    from livedream.compile.export import verify
    from livedream.networks.graphs import graphs_dir

    files = found.files or sorted(graphs_dir().glob("*.onnx"))
    if not files:
        raise NetworkError(f"nothing is exported in {graphs_dir()}; see live.py models export --help")
    failed = 0
    for path in files:
        try:
            sys.stdout.write(f"ok      {path.name}: {_reached(verify(path, found.weights))}\n")
        except LivedreamError as error:
            failed += 1
            sys.stdout.write(f"failed  {path.name}: {error}\n")
        sys.stdout.flush()
    if failed:
        raise NetworkError(f"{failed} of {len(files)} exported files failed")


def _reached(tolerance: dict[str, float]) -> str:
    return (
        f"cosine with autograd at least {tolerance['cosine']:.6f},"
        f" relative error at most {tolerance['relative_error']:.1g}"
    )


def _say(name: str, source: str, imported: Imported) -> None:
    megabytes = imported.path.stat().st_size / 1e6
    sys.stdout.write(
        f"{source} fits {name}: {imported.tensors} tensors, every name, shape and number checked\n"
        f"wrote {imported.path} ({megabytes:.0f} MB, sha256 {imported.sha256[:8]}…)\n"
        f"use it: live.py --network {name}\n"
    )
