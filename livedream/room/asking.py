"""Asks a room how it is, and shows that as a table."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from livedream.errors import OutputError, ProtocolError, one_line

_PATIENCE_S = 5.0
#: What a room answers to those whom it does not let in, with the reason.
_REFUSALS = (401, 403, 429)
_LONGEST_BYTES = 4 * 2**20


def ask(url: str, token: str = "", ca: Path | None = None) -> dict[str, Any]:
    """What a room's ``/healthz`` answers. Raises ``OutputError`` without one there, ``ProtocolError``."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trusting(ca)), _NoRedirect()
    )
    try:
        with opener.open(request, timeout=_PATIENCE_S) as answer:
            text = answer.read(_LONGEST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            reason = " ".join(error.read(200).decode("utf-8", "replace").split())
        if error.code not in _REFUSALS:
            raise ProtocolError(f"what answers at {url} is no room of livedream") from error
        possible = "; possible: --token, or LIVEDREAM_ROOM_TOKEN" if error.code == 401 else ""
        raise OutputError(f"the room at {url} does not answer: {reason}{possible}") from error
    except (OSError, ValueError) as error:
        cause = getattr(error, "reason", None) or error
        reason = getattr(cause, "strerror", None) or str(cause)
        raise OutputError(f"no room answers at {url}: {reason}; possible: --address") from error
    try:
        found = json.loads(text)
        if not isinstance(found["sessions"], list) or not isinstance(found["replicas"], list):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"what answers at {url} is no room of livedream") from error
    return dict(found)


def table(health: Mapping[str, Any]) -> str:
    """A room's health, for people."""
    sessions, replicas = health["sessions"], health["replicas"]
    state = "full" if health.get("full") else "open" if health.get("ok") else "no replica is ready"
    version, minutes = health.get("version", "?"), float(health.get("open_s", 0)) / 60
    head = f"livedream {version}, since {minutes:.0f} min, {state}: {_count(sessions, 'mirror')}"
    lines = [f"{head} on {_count(replicas, 'replica')}", ""]
    lines += _columns(
        ("replica", "machine", "process", "dreams on", "mirrors"),
        [
            (one.get("name"), one.get("node"), one.get("pid"), one.get("device"), _full(one))
            for one in replicas
        ],
    )
    if sessions:
        lines += ["", *_columns(*_session_columns(sessions))]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _session_columns(sessions: Sequence[Mapping[str, Any]]) -> tuple[Sequence[str], list[Sequence[object]]]:
    head = ("mirror", "from", "replica", "moves", "dreams of", "size", "ticks/s", "tick ms", "waits ms")
    return head, [
        (
            one.get("mirror"),
            one.get("address"),
            one.get("replica"),
            one.get("moves"),
            f"{one.get('network', '')} {one.get('layer', '')}".strip(),
            "×".join(map(str, one.get("size", ()))),
            one.get("ticks_hz", ""),
            one.get("tick_ms", ""),
            one.get("waited_ms", ""),
        )
        for one in sessions
    ]


def _full(replica: Mapping[str, Any]) -> str:
    return f"{replica.get('sessions', '')}{', full' if replica.get('full') else ''}"


def _count(things: Sequence[object], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    shown = [tuple(head), *(tuple(_plain(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown]


def _plain(cell: object) -> str:
    """One line, without what a terminal might obey: mirrors choose their names."""
    return ("" if cell is None else one_line(str(cell))) or "-"


def _trusting(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl's errors are OSErrors
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"--ca {ca}: {reason}; expected certificates as PEM") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this address, not for another that it names."""

    def redirect_request(self, *_: Any) -> None:
        return None
