"""The flags of a mirror that dreams in a room."""

from __future__ import annotations

import argparse
import os
import ssl
from pathlib import Path
from typing import Any

from livedream.cli.parser import Parser, checked
from livedream.errors import UsageError, quoted
from livedream.room_address import RoomKeys, room_address
from livedream.web.token import check_token

#: Where the token may be, which other users of the machine do not see.
TOKEN_VARIABLE = "LIVEDREAM_ROOM_TOKEN"


def add_room(parser: Parser) -> None:
    """Add the flags."""
    add = parser.add_argument_group("a room that dreams, at --dream-at").add_argument
    add(
        "--room-token",
        type=checked(check_token),
        metavar="TOKEN",
        help=f"the room's token; other users of this machine do not see that in {TOKEN_VARIABLE}",
    )
    add(
        "--room-ca",
        type=Path,
        metavar="FILE",
        help="trust the certificates in this file (PEM), too: for a wss:// room with one of its own",
    )


def room_keys(found: argparse.Namespace, changes: dict[str, Any]) -> RoomKeys:
    """What opens the room that the command line names in its ``changes`` of settings.

    The token is for that room only, and is taken out of the environment that other programs inherit. Raises
    ``UsageError``.
    """
    kept = os.environ.pop(TOKEN_VARIABLE, "")
    address = room_address(changes.get("dream_at", ""))
    if address is None and found.room_token:
        raise UsageError("--room-token without --dream-at; possible: both")
    if not found.room_token and kept:
        try:
            check_token(kept)
        except UsageError as error:
            raise UsageError(f"{TOKEN_VARIABLE}: {error}") from error
    if found.room_ca is not None:
        try:
            ssl.create_default_context().load_verify_locations(found.room_ca)
        except (OSError, ssl.SSLError) as error:
            what = f"--room-ca {quoted(str(found.room_ca))}: {error.strerror or 'no certificate'}"
            raise UsageError(f"{what}; expected a file of certificates (PEM)") from error
    return RoomKeys(
        place=None if address is None else address.place,
        token=(found.room_token or kept) if address is not None else "",
        ca=None if found.room_ca is None else str(found.room_ca.resolve()),
    )
