"""The flags of the outputs beside window and page: recordings, and other programs that get the picture."""

from __future__ import annotations

import argparse
import sys

from livedream.cli.parser import Parser, checked, size
from livedream.errors import UsageError, quoted
from livedream.extras import require_extra
from livedream.show.output_options import OutputOptions
from livedream.sinks.addresses import check_push
from livedream.sinks.encoding import NAMES, Encoding

_NAMED = {
    "ndi": "NDI, to OBS, Resolume, TouchDesigner and others in the network, under this name",
    "spout": "Spout, to other programs on this Windows machine, under this name",
    "syphon": "Syphon, to other programs on this Mac, under this name",
}
#: For each flag: the package that it needs, the extra that adds it, and the only system that has it.
_NEEDS = {
    "virtual_camera": ("pyvirtualcam", "virtual-camera", ""),
    "ndi": ("cyndilib", "ndi", ""),
    "spout": ("SpoutGL", "spout", "win32"),
    "syphon": ("syphon", "syphon", "darwin"),
}
_SYSTEMS = {"win32": "Windows", "darwin": "macOS"}
_LEAST_MBIT, _MOST_MBIT = 0.1, 200.0


def add_outputs(parser: Parser) -> None:
    """Add the mirror's flags."""
    add_encoding(parser)
    add = parser.add_argument_group("other programs").add_argument
    add(
        "--virtual-camera",
        nargs="?",
        const="",
        metavar="DEVICE",
        help="be a webcam for other programs: such as /dev/video2 (default: the first that there is)",
    )
    for name, what in _NAMED.items():
        add(
            f"--{name}",
            nargs="?",
            const="livedream",
            metavar="NAME",
            help=f"send the picture by {what} (default: livedream)",
        )
    add(
        "--push",
        type=checked(check_push),
        action="append",
        default=[],
        metavar="URL",
        help="push the picture to a media server: rtsp://HOST/NAME, or http(s)://HOST/NAME/whip; may be"
        " repeated",
    )
    add(
        "--send-size",
        type=size,
        metavar="WxH",
        help="of what is sent by these (default: the screen's at the beginning)",
    )


def add_encoding(parser: Parser) -> None:
    """Add the flags about how video is written."""
    parser.add_argument(
        "--encoder",
        choices=NAMES,
        default="auto",
        help="what writes recordings (default: H.264 by this machine's hardware, else AV1 by SVT-AV1; doctor"
        " says what works here)",
    )
    parser.add_argument(
        "--bit-rate",
        type=checked(_mbit),
        metavar="MBIT",
        help="of recordings, and of what is pushed, in megabits a second (default: what good pictures need)",
    )


def output_options(found: argparse.Namespace) -> OutputOptions:
    """The options that the parsed flags stand for.

    Raises ``UsageError``, ``MissingPackageError``, and ``OutputError`` for an encoder that cannot work.
    """
    for flag, (package, extra, system) in _NEEDS.items():
        if getattr(found, flag) is None:
            continue
        flag = "--" + flag.replace("_", "-")
        if system not in ("", sys.platform):
            other = (
                "--spout" if sys.platform == "win32" else "--syphon" if sys.platform == "darwin" else "--ndi"
            )
            raise UsageError(f"{flag} is for {_SYSTEMS[system]} only; possible here: {other}")
        require_extra(package, extra, flag)
    width, height = found.send_size or (2, 2)
    if width % 2 or height % 2:
        raise UsageError(f"--send-size {width}x{height}: expected even numbers, as videos have")
    return OutputOptions(
        encoding=encoding_from(found),
        virtual_camera=found.virtual_camera,
        ndi=found.ndi,
        spout=found.spout,
        syphon=found.syphon,
        push=tuple(found.push),
        size=found.send_size,
    )


def encoding_from(found: argparse.Namespace) -> Encoding:
    """How to write video. Raises ``OutputError`` for an encoder that was asked for and does not open."""
    encoding = Encoding(found.encoder, found.bit_rate)
    if encoding.encoder != "auto":
        from livedream.sinks.encoders import choose

        choose(encoding, 1280, 720)
    return encoding


def _mbit(text: str) -> float:
    try:
        mbit = float(text)
    except ValueError:
        mbit = 0.0
    if not _LEAST_MBIT <= mbit <= _MOST_MBIT:
        raise UsageError(
            f"invalid value {quoted(text)}: expected {_LEAST_MBIT:g}–{_MOST_MBIT:g} megabits a second"
        )
    return mbit
