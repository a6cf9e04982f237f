"""``livedream models``: which networks there are, and how to install their weights."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livedream import places
from livedream.cli.parser import Parser, whole
from livedream.errors import LivedreamError, NetworkError, UsageError
from livedream.extras import require
from livedream.files import require_writable

if TYPE_CHECKING:
    from livedream.networks.importing import Imported

log = logging.getLogger(__name__)


def models_command(words: list[str]) -> None:
    """Run ``livedream models`` with the words that follow it."""
    parser = Parser(prog="livedream models", description="The networks that can be dreamt with.")
    commands = parser.add_subparsers(metavar="WHAT", required=True, dest="what")
    listing = commands.add_parser(
        "list", help="the networks, and where their weights are; with NAME, its layers"
    )
    listing.add_argument("name", nargs="?", metavar="NAME", help="a network")
    listing.set_defaults(run=_list)
    importing = commands.add_parser(
        "import",
        help="install a weight file",
        description="Reads a weight file, checks that every tensor fits the network, and writes"
        " NAME.safetensors to your networks folder, where the mirror finds it by itself.",
    )
    importing.add_argument(
        "file", type=Path, metavar="FILE", help="a .caffemodel, .npz, .safetensors, .pth or .pt file"
    )
    importing.add_argument(
        "--as", dest="name", required=True, metavar="NAME", help="the network; see livedream models list"
    )
    importing.set_defaults(run=_import)
    fetching = commands.add_parser(
        "fetch",
        help="download and install a network's weights",
        description="Downloads a network's weights from their official address, checks their hash, and"
        " writes NAME.safetensors to your networks folder. An interrupted download is resumed.",
    )
    fetching.add_argument("name", metavar="NAME", help="the network; see livedream models list")
    fetching.set_defaults(run=_fetch)
    naming = commands.add_parser(
        "words",
        help="what can be dreamt by name; with --pictures, make a network's table of words",
        description="Lists the words that --dream-of knows. With --pictures it makes the table of a network"
        " that has none, or another one, from pictures that you have: photographs of as many different things"
        " as possible, some hundreds at least. That takes up to an hour.",
    )
    naming.add_argument("name", nargs="?", default="dreamnet", metavar="NAME", help="a network (dreamnet)")
    naming.add_argument("--pictures", type=Path, nargs="+", metavar="DIR", help="folders of photographs")
    naming.add_argument("--out", type=Path, metavar="FILE", help="(default: in your networks folder)")
    naming.set_defaults(run=_words)
    exporting = commands.add_parser(
        "export",
        help="write a layer's gradient as one ONNX file",
        description="Writes the gradient of a layer as an ONNX file that any runtime can run on images of any"
        " size, and checks it against autograd. See models/README.md for its inputs and outputs.",
    )
    exporting.add_argument("name", metavar="NAME", help="the network; see livedream models list")
    exporting.add_argument("--layer", default="parts", help="a layer of it, or a word (default: parts)")
    exporting.add_argument("--size", help=argparse.SUPPRESS)  # what it was when a graph had one size
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
    kinds = exporting.add_mutually_exclusive_group()
    kinds.add_argument("--guide", action="store_true", help="for guide images, not channel weights")
    kinds.add_argument("--features", action="store_true", help="the layer's activation, not a gradient")
    kinds.add_argument(
        "--shipped", action="store_true", help="all that the mirror asks for, of all layers; needs --out"
    )
    exporting.add_argument("--out", type=Path, metavar="DIR", help="(default: in your cache folder)")
    exporting.set_defaults(run=_export)
    verifying = commands.add_parser(
        "verify",
        help="check exported files against autograd",
        description="Runs exported files on random images and a photograph, at two sizes, and compares"
        " them with autograd.",
    )
    verifying.add_argument(
        "files", type=Path, nargs="*", metavar="FILE", help="(default: the shipped and all in your cache)"
    )
    verifying.set_defaults(run=_verify)
    for command in (exporting, verifying):
        command.add_argument("--weights", type=Path, metavar="FILE", help="the weight file of the network")
    for command in (importing, fetching):
        command.add_argument("--force", action="store_true", help="replace installed weights")
    found = parser.parse_args(words)
    found.run(found)


def _list(found: argparse.Namespace) -> None:
    from livedream.networks.listing import network_text, networks_text

    sys.stdout.write(network_text(found.name) if found.name else networks_text())


def _import(found: argparse.Namespace) -> None:
    from livedream.networks.importing import import_weights

    _report(found.name, found.file.name, import_weights(found.file, found.name, force=found.force))


def _fetch(found: argparse.Namespace) -> None:
    from livedream.networks.fetching import fetch_weights

    _report(found.name, "the download", fetch_weights(found.name, force=found.force))


def _words(found: argparse.Namespace) -> None:
    from livedream.networks.catalogue import network_info
    from livedream.networks.words import own_table, word_table

    name = network_info(found.name).name
    if found.pictures is None:
        if found.out:
            raise UsageError("--out needs --pictures: folders of photographs to make the words from")
        table = word_table(name)
        sys.stdout.write(f"{name}, layers {', '.join(table.layers)}\nfamilies: {', '.join(table.families)}\n")
        sys.stdout.write(f"words: {', '.join(table.words)}\n")
        return
    require("torch", f"making the words of {name}")

    from livedream.networks.word_making import make_table

    out = found.out or own_table(name)
    if found.out is None:
        places.create(out.parent)
    require_writable(out)
    count = make_table(name, found.pictures, out, _progress)
    sys.stdout.write(
        f"wrote {out} from {count} pictures\nuse it: livedream --network {name} --dream-of castle\n"
    )


def _progress(stage: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{stage:<20}")


def _export(found: argparse.Namespace) -> None:
    from livedream.networks.catalogue import network_info
    from livedream.networks.graphs import GraphSpec

    if found.size is not None:
        sys.stderr.write("livedream: one file serves every image size now; --size changes nothing\n")
    layer = network_info(found.name).layer(found.layer).name
    if found.shipped:
        _export_shipped(found)
        return
    kind = "guide" if found.guide else "features" if found.features else "gradient"
    try:
        spec = GraphSpec(found.name, layer, kind, found.pool_gradient, found.half, found.steps)
    except ValueError as error:
        raise UsageError(f"--features: {error}") from error
    _require_exporter(f"exporting {found.name}")

    from livedream.compile.export import export

    _wrote(export(spec, found.weights, found.out))


def _export_shipped(found: argparse.Namespace) -> None:
    if found.out is None or found.weights or found.half or found.steps:
        raise UsageError("--shipped writes all graphs of a network to --out DIR, from its usual weights")
    _require_exporter(f"exporting {found.name}")

    from livedream.compile.shipping import export_shipped

    for path in export_shipped(found.name, found.out, lambda stage: log.info("%s", stage)):
        _wrote(path)


def _wrote(path: Path) -> None:
    from livedream.networks.graphs import GraphSidecar

    sidecar, megabytes = GraphSidecar.read(path), path.stat().st_size / 1e6
    beside = f", kernels in {sidecar.kernels}" if sidecar.kernels else ""
    sys.stdout.write(f"wrote {path} ({megabytes:.1f} MB{beside}): {_reached(sidecar.tolerance)}\n")


def _verify(found: argparse.Namespace) -> None:
    _require_exporter("comparing exported files with autograd")
    from livedream.compile.export import verify
    from livedream.networks.graphs import SHIPPED_DIR, graphs_dir

    files = found.files or sorted((*SHIPPED_DIR.glob("*.onnx"), *graphs_dir().glob("*.onnx")))
    if not files:
        raise NetworkError(
            f"no exported graphs in {graphs_dir()} or {SHIPPED_DIR}; see livedream models export --help"
        )
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


def _require_exporter(what: str) -> None:
    """Raise ``MissingPackageError`` in a lean install."""
    for package in ("torch", "onnx"):
        require(package, what)


def _reached(tolerance: dict[str, float]) -> str:
    return (
        f"cosine with autograd at least {tolerance['cosine']:.6f},"
        f" relative error at most {tolerance['relative_error']:.1g}"
    )


def _report(name: str, source: str, imported: Imported) -> None:
    megabytes = imported.path.stat().st_size / 1e6
    sys.stdout.write(
        f"{source} fits {name}: {imported.tensors} tensors, every name, shape and number checked\n"
        f"wrote {imported.path} ({megabytes:.0f} MB, sha256 {imported.sha256[:8]}…)\n"
        f"use it: livedream --network {name}\n"
    )
