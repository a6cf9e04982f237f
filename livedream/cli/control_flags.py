"""The flags of the controls: the page, and other hands than the keyboard."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

from livedream.cli.parser import Parser, checked
from livedream.controls.dmx_map import read_map
from livedream.controls.gamepad_map import DEFAULT, read_gamepad_map
from livedream.errors import UsageError, quoted
from livedream.extras import require_extra
from livedream.show.control_options import ControlOptions
from livedream.web.access import is_loopback
from livedream.web.token import check_token

_LAST_PORT = 65535


def add_controls(parser: Parser) -> None:
    """Add the flags."""
    add = parser.add_argument_group("controls").add_argument
    add(
        "--listen",
        type=checked(parse_address),
        metavar="ADDRESS[:PORT]",
        help="serve the page to others, too, who must know a token: this machine's address, or 0.0.0.0 for"
        " all that it has; F2 shows the page's address and token as a code to scan",
    )
    add(
        "--token",
        type=checked(check_token),
        metavar="TOKEN",
        help="the token for --listen (default: one that this machine makes and keeps)",
    )
    add(
        "--osc",
        type=checked(_osc_address),
        metavar="[HOST:]PORT",
        help="listen for OSC there (default: 9000, for programs on this machine; see livedream osc)."
        " 0.0.0.0:9000 is for the whole network: OSC knows no password",
    )
    add("--no-osc", action="store_true", help="do not listen for OSC")
    add(
        "--osc-feedback",
        type=checked(_osc_client),
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="tell this OSC client of every change; may be repeated. Who sends OSC is told at port 9001",
    )
    add("--mdns", action="store_true", help="announce OSC in the network, with --osc 0.0.0.0:9000")
    add(
        "--dmx",
        type=Path,
        metavar="MAP.toml",
        help="let a lighting desk play it, by Art-Net and sACN, from the whole network; livedream dmx --map"
        " prints a map to begin with",
    )
    add(
        "--midi",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let MIDI controllers play it; see livedream midi (default: those that are there)",
    )
    add(
        "--gamepad",
        type=Path,
        metavar="MAP.toml",
        help="the map for gamepads, instead of the usual one; see docs/gamepad.md",
    )
    add("--no-gamepad", action="store_true", help="ignore gamepads")
    add("--cues", type=Path, metavar="SET.toml", help="play this cue list: scenes in order; Enter is GO")
    add(
        "--audio",
        metavar="INPUT",
        help="let sound move settings: default, a part of an input's name, its number, or a sound file that"
        " is played silently; nothing is recorded",
    )
    add("--link", action="store_true", help="follow the tempo of Ableton Link in the local network")


def control_options(found: argparse.Namespace) -> ControlOptions:
    """The options that the parsed flags stand for. Raises ``UsageError``, ``MissingPackageError``."""
    if found.token and not found.listen:
        raise UsageError("--token without --listen; possible: both")
    if found.no_osc and (found.osc or found.osc_feedback):
        raise UsageError("--no-osc with --osc or --osc-feedback; possible: one or the other")
    if found.mdns:
        _require_for_mdns(found.osc)
    if found.midi:
        require_extra("mido", "midi", "--midi")
    if found.link:
        require_extra("aalink", "link", "--link")
    return ControlOptions(
        listen=found.listen,
        token=found.token or "",
        osc=None if found.no_osc else found.osc or ControlOptions.osc,
        osc_required=found.osc is not None,
        osc_feedback=tuple(found.osc_feedback),
        mdns=found.mdns,
        dmx=None if found.dmx is None else read_map(found.dmx),
        midi=found.midi,
        gamepad=None if found.no_gamepad else read_gamepad_map(found.gamepad or DEFAULT),
        cues=found.cues,
        audio=_audio(found.audio),
        link=found.link,
    )


def _audio(text: str | None) -> str:
    """What ``--audio`` asks for. Raises ``MissingPackageError``, ``UsageError``."""
    if text is None:
        return ""
    if not text:
        raise UsageError("--audio '': expected default, an input's name or number, or a sound file")
    if not os.path.isfile(text):
        require_extra("sounddevice", "audio", f"--audio {text}")
    return text


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


def _osc_address(text: str) -> tuple[str, int]:
    """``9000``, ``0.0.0.0:9000`` or ``[::1]:9000``. Raises ``UsageError``."""
    host, port = parse_address(text if ":" in text else f"127.0.0.1:{text}")
    if port is None:
        raise UsageError(f"{quoted(text)} has no port; expected [HOST:]PORT, such as 0.0.0.0:9000")
    return host, port


def _require_for_mdns(osc: tuple[str, int] | None) -> None:
    """Raise ``UsageError`` or ``MissingPackageError`` where OSC cannot be announced."""
    if osc is None or is_loopback(osc[0]):
        raise UsageError(
            "--mdns without --osc for the network: others could not reach it; possible: --osc 0.0.0.0:9000"
        )
    require_extra("zeroconf", "mdns", "--mdns")


def _osc_client(text: str) -> tuple[str, int]:
    """The numeric address of a client: no name is looked up while the show runs. Raises ``UsageError``."""
    host, port = _osc_address(text)
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:
        raise UsageError(f"no such host {quoted(host)}; possible: an IPv4 address, or its name") from error
    return str(found[0][4][0]), port
