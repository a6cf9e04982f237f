"""The flags of the outputs beside window and page: recordings, and other programs that get the picture."""

from __future__ import annotations

import argparse

from livedream.cli.parser import Parser, checked
from livedream.errors import UsageError, quoted
from livedream.show.output_options import OutputOptions
from livedream.sinks.encoders import NAMES, Encoding, choose

_LEAST_MBIT, _MOST_MBIT = 0.1, 200.0


def add_outputs(parser: Parser) -> None:
    """Add the mirror's flags."""
    add_encoding(parser)


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
        help="of recordings, in megabits a second (default: what good pictures need)",
    )


def output_options(found: argparse.Namespace) -> OutputOptions:
    """The options that the parsed flags stand for. Raises ``OutputError`` for an encoder that cannot work."""
    return OutputOptions(encoding=encoding_from(found))


def encoding_from(found: argparse.Namespace) -> Encoding:
    """How to write video. Raises ``OutputError`` for an encoder that was asked for and does not open."""
    encoding = Encoding(found.encoder, found.bit_rate)
    if encoding.encoder != "auto":
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
