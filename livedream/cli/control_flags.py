"""The flags of the controls: the page, and other hands than the keyboard."""

from __future__ import annotations

import argparse

from livedream.cli.parser import Parser, checked
from livedream.errors import UsageError, quoted
from livedream.show.control_options import ControlOptions
from livedream.web.token import check_token

_LAST_PORT = 65535


def add_controls(parser: Parser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add(
        "--listen",
        type=checked(parse_address),
        metavar="ADDRESS[:PORT]",
        help="serve the page to others, too, who must know a token: this machine's address, or 0.0.0.0 for"
        " all that it has",
    )
    add(
        "--token",
        type=checked(check_token),
        metavar="TOKEN",
        help="the token for --listen (default: one that this machine makes and keeps)",
    )


def control_options(found: argparse.Namespace) -> ControlOptions:
    """The options that the parsed flags stand for. Raises ``UsageError``."""
    if found.token and not found.listen:
        raise UsageError("--token without --listen; possible: both")
    return ControlOptions(listen=found.listen, token=found.token or "")


def parse_address(text: str) -> tuple[str, int | None]:
    """(address, port) of ``192.168.0.7:8400``, ``[::]:8400``, or without a port. Raises ``UsageError``."""
    text = text.strip()
    host, colon, port = text.rpartition(":")
    if text.endswith("]") or (text.count(":") != 1 and not text.startswith("[")):
        host, colon, port = text, "", ""  # no port: a name, or an address of IPv6
    host = host.removeprefix("[").removesuffix("]")
    if not host or any(character.isspace() or character in "/[]" for character in host):
        raise UsageError(
            f"{quoted(text)} is not an address; expected one such as 192.168.0.7 or 0.0.0.0:8400"
        )
    if not colon:
        return host, None
    if not port.isdecimal() or not 1 <= int(port[:6]) <= _LAST_PORT:
        raise UsageError(f"{quoted(text)}: invalid port {quoted(port)}: expected 1–{_LAST_PORT}")
    return host, int(port)
