"""``livedream room serve|status``: dreams for mirrors on other machines."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from livedream.cli.control_flags import parse_address
from livedream.cli.parser import Parser, checked, whole
from livedream.errors import UsageError
from livedream.extras import require_extra
from livedream.files import require_writable
from livedream.logs import configure_logging
from livedream.room.options import HOST, PORT, SESSIONS, TOKEN_VARIABLE, RoomOptions
from livedream.web.access import is_loopback
from livedream.web.token import check_token, kept_token, read_token, token_path

log = logging.getLogger(__name__)

_EPILOG = f"""\
Each mirror is started with --dream-at, and the room's address. Beyond this machine it also needs the token,
in its environment variable {TOKEN_VARIABLE}. See docs/rooms.md.
"""


def room_command(words: list[str]) -> None:
    """Run ``livedream room`` with the words that follow it."""
    parser = Parser(
        prog="livedream room",
        description="A room dreams for several mirrors on other machines; it runs on Ray.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_serve(commands)
    _add_status(commands)
    found = parser.parse_args(words)
    found.run(found)


def _add_serve(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "serve",
        help="dream for mirrors until Ctrl-C",
        description="Dreams for the mirrors that come, until Ctrl-C or SIGTERM. Starts a Ray of its own on"
        " this machine, or joins one.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add(
        "--address",
        type=checked(_address),
        default=(HOST, PORT),
        metavar="HOST[:PORT]",
        help=f"where mirrors come to (default: {HOST}:{PORT}, for this machine only); 0.0.0.0 for all"
        " addresses of this machine: others need the token",
    )
    add(
        "--token",
        type=checked(check_token),
        help=f"the token (default: {TOKEN_VARIABLE}, or one that this machine makes and keeps). Other users"
        " of this machine can see an option, not an environment variable",
    )
    add("--tls-cert", type=Path, metavar="FILE", help="a certificate, as PEM: mirrors then come by wss://")
    add("--tls-key", type=Path, metavar="FILE", help="its key, as PEM, without a password")
    add("--gpus", type=whole(0, 64), metavar="N", help="use N graphics cards (default: all)")
    add("--device", default="auto", choices=("auto", "cuda", "cpu"), help="(default: %(default)s)")
    add(
        "--sessions",
        type=whole(1, 64),
        default=SESSIONS,
        metavar="N",
        help="at most so many mirrors for each replica (default: %(default)s); fewer where that is too much",
    )
    add(
        "--min-replicas",
        type=whole(1, 1000),
        metavar="N",
        help="processes that dream, at least (default: up to eight for each graphics card,"
        " else one for each processor core)",
    )
    add("--max-replicas", type=whole(1, 1000), metavar="N", help="at most: Ray starts more when they fill up")
    add(
        "--ray",
        metavar="ADDRESS",
        help="join this Ray, HOST:PORT, which runs here already (ray start); auto: the one on this machine",
    )
    add("--dashboard", action="store_true", help="with Ray's dashboard, for this machine only")
    add("--log", type=Path, metavar="FILE", help="also write the log of all processes there, as JSON lines")
    parser.set_defaults(run=_serve)


def _add_status(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "status", help="who dreams in a room, and where", description="Who dreams in a room, and where."
    )
    add = parser.add_argument
    add(
        "--address",
        default=f"{HOST}:{PORT}",
        metavar="ADDRESS",
        help="the room's: HOST[:PORT], ws://… or wss://… (default: %(default)s)",
    )
    add(
        "--token",
        type=checked(check_token),
        help=f"its token (default: {TOKEN_VARIABLE}; for a room on this machine, the one that it keeps)",
    )
    add("--ca", type=Path, metavar="FILE", help="who signed its certificate, as PEM (default: the system's)")
    add("--json", action="store_true", help="as JSON, with all that there is")
    parser.set_defaults(run=_status)


def _address(text: str) -> tuple[str, int]:
    """As the page's address; port 0 is any free one."""
    host, port = parse_address(text.removesuffix(":0"))
    if text.endswith(":0"):
        port = 0
    return host, PORT if port is None else port


def _serve(found: argparse.Namespace) -> None:
    options = _options(found)
    require_extra("ray", "room", "a room")
    if options.log is not None:
        require_writable(options.log)
    configure_logging("room", logging.INFO, options.log, rotates=True)

    from livedream.room.serve import serve

    serve(options, _advice(found, options))


def _options(found: argparse.Namespace) -> RoomOptions:
    """What the flags say. Raises ``UsageError`` for what does not go together."""
    host, port = found.address
    if (found.tls_cert is None) != (found.tls_key is None):
        raise UsageError("--tls-cert and --tls-key belong together; possible: both, or neither")
    if found.ray is not None and found.gpus:
        raise UsageError("--gpus is for a Ray of the room's own; possible: --ray without it, or --gpus alone")
    if found.ray is not None and found.dashboard:
        raise UsageError("--dashboard is for a Ray of the room's own; that of --ray has its own dashboard")
    if found.ray is not None and "://" in found.ray:
        raise UsageError(f"--ray {found.ray}: expected HOST:PORT, or auto")
    token = found.token or _token_of_environment()
    if not token and not is_loopback(host):
        token = kept_token("room")
    return RoomOptions(
        host=host,
        port=port,
        token=token,
        gpus=found.gpus,
        ray=found.ray,
        replicas=(found.min_replicas, found.max_replicas),
        sessions=found.sessions,
        tls=None if found.tls_cert is None else (found.tls_cert.absolute(), found.tls_key.absolute()),
        device=found.device,
        dashboard=found.dashboard,
        log=found.log,
    )


def _token_of_environment() -> str:
    token = os.environ.get(TOKEN_VARIABLE, "")
    try:
        return check_token(token) if token else ""
    except UsageError as error:
        raise UsageError(f"{TOKEN_VARIABLE}: {error}") from error


def _advice(found: argparse.Namespace, options: RoomOptions) -> list[str]:
    """What who starts a room should know of its token."""
    if not options.token:
        return []
    if found.token:
        where = "is the one of --token"
    elif os.environ.get(TOKEN_VARIABLE):
        where = f"is the one of {TOKEN_VARIABLE}"
    else:
        where = f"is in {token_path('room')}"
    return [f"its token {where}; a mirror has it in {TOKEN_VARIABLE}"]


def _status(found: argparse.Namespace) -> None:
    from livedream.room.asking import ask, table

    url, host = _asked(found.address)
    token = found.token or _token_of_environment()
    if not token and is_loopback(host):  # it is told to nobody else
        token = read_token(token_path("room")) or ""
    answer = ask(url, token, found.ca)
    if found.json:
        import json

        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        sys.stdout.write(table(answer))


def _asked(text: str) -> tuple[str, str]:
    """The address of a room's ``/healthz``, and its host. Raises ``UsageError``."""
    scheme, _, rest = text.rpartition("://")
    if scheme not in ("", "ws", "wss", "http", "https"):
        raise UsageError(f"{text}: expected HOST[:PORT], ws://… or wss://…")
    host, port = _address(rest.rstrip("/"))
    shown = f"[{host}]" if ":" in host else host
    secure = "s" if scheme in ("wss", "https") else ""
    return f"http{secure}://{shown}:{port}/healthz", host
