"""The syntax of the setting ``dream_at``: the address of a room that dreams for mirrors on other machines."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from livedream.errors import UsageError, quoted

#: What the setting may be, in words.
ROOM_IS = "nothing to dream here; or a room's address, ws://HOST:PORT or wss://HOST:PORT"
#: No address is longer: a name has 253 characters at most.
_LONGEST = 300


@dataclass(frozen=True)
class RoomAddress:
    """Where a room listens. ``scheme`` is ``wss`` where the connection is encrypted."""

    scheme: Literal["ws", "wss"]
    host: str
    port: int
    path: str = "/"

    @property
    def url(self) -> str:
        """What a WebSocket connects to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"

    @property
    def place(self) -> tuple[str, str, int]:
        """Who listens there, and whether others can listen in."""
        return self.scheme, self.host, self.port

    @property
    def local(self) -> bool:
        """Whether it is on this machine."""
        return is_this_machine(self.host)


def is_this_machine(host: str) -> bool:
    """Whether ``host`` means this machine, whatever network it is in."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class RoomKeys:
    """What opens rooms: a ``token`` for the one at ``place`` (scheme, host, port), which no other may see.

    ``ca`` is a file with certificates to trust beside the system's.
    """

    place: tuple[str, str, int] | None = None
    token: str = field(default="", repr=False)
    ca: str | None = None

    def token_for(self, address: RoomAddress) -> str:
        """The token, if it is for this address."""
        return self.token if self.place == address.place else ""


@lru_cache(maxsize=64)
def room_address(text: str) -> RoomAddress | None:
    """The address that ``text`` stands for; None for nothing. Raises ``UsageError``."""
    if not text:
        return None
    try:
        parts = urlsplit(text) if len(text) <= _LONGEST and text.isprintable() and " " not in text else None
        port = parts.port if parts else None
    except ValueError:  # a port that is no number, or brackets around no address
        parts = port = None
    if parts is None or parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise _refused(text)
    if not port:
        raise _refused(text, "it names no port from 1 to 65535; ")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise _refused(text, "no user, token or query belongs into it; ")
    return RoomAddress("wss" if parts.scheme == "wss" else "ws", parts.hostname, port, parts.path or "/")


def _refused(text: str, why: str = "") -> UsageError:
    return UsageError(f"setting dream_at: invalid value {quoted(text)}: {why}expected {ROOM_IS}")
