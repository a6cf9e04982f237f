"""What a mirror and a room say to each other over a WebSocket.

    mirror ──Join, Order, Picture, Seed, GuideImage──► room
    mirror ◄──Welcome, RoomResidual, DreamStatus, Moved, Refused── room

Every message is binary: one byte for its kind, four for the length of its header (big-endian), the header as
:mod:`livedream.ipc.protocol` encodes it, and for some kinds pixels. Times are by the mirror's clock: the room
returns what it was given, so no two clocks are compared.

One picture is in flight: the mirror sends the next when the :class:`RoomResidual` that was dreamt on the last
is there. What waits longer is replaced by what is newer.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Literal

from livedream.errors import ProtocolError
from livedream.ipc.protocol import DreamStatus, M, Message, Order, decode, encode

#: How pixels travel: as they are, or as JPEG without subsampled colours.
Coding = Literal["raw", "jpeg"]
#: Why a room refuses a mirror. After ``full`` it may try again; after the others only when something changes.
Refusal = Literal["full", "version", "invalid", "closing"]

#: No message is longer. The largest working size, raw, has 2.8 MB.
MAX_MESSAGE_BYTES = 4 * 2**20
#: No header is longer: an order with all its settings has 2 kB.
MAX_HEADER_BYTES = 64 * 1024
_HEAD = struct.Struct(">cI")


class Join(Message, frozen=True, kw_only=True):
    """A mirror's first message, and again after :class:`Moved`: what it wants dreamt.

    ``mirror`` is its name, for people; ``order`` its newest order.
    """

    mirror: str
    order: Order


class Picture(Message, frozen=True, kw_only=True):
    """A camera frame at working size; its pixels, RGB, follow.

    ``index`` and ``time_s`` are the frame's; ``visible`` is the (width, height) that the camera has of what
    is visible, before it was scaled to ``size``.
    """

    index: int
    time_s: float
    size: tuple[int, int]
    visible: tuple[int, int]
    coding: Coding = "raw"


class Seed(Message, frozen=True, kw_only=True):
    """The dream so far, to carry on: a frame of ``size`` (width, height) as JPEG of ``image_bytes`` bytes
    follows, then its residual as in :class:`RoomResidual`."""

    size: tuple[int, int]
    image_bytes: int
    scale: float
    coding: Coding = "raw"


class GuideImage(Message, frozen=True, kw_only=True):
    """The guide that the settings call ``path``, on the mirror; the file's bytes, JPEG or PNG, follow."""

    path: str


class Welcome(Message, frozen=True, kw_only=True):
    """The room dreams for this mirror now.

    ``room`` is the machine's name; ``working_px`` the longer side of the pictures that it wants first. Later
    ones have that of ``DreamStatus.governor``.
    """

    room: str
    working_px: int


class RoomResidual(Message, frozen=True, kw_only=True):
    """A residual, int8 (height, width, 3) times ``scale`` in levels of 255; its bytes follow.

    ``coding`` is that of the picture: raw, or as JPEG with 128 for nothing.

    ``index`` and ``time_s`` are those of the picture that it was dreamt on, ``order`` the number of the order
    that was followed, ``aspect`` that order's. ``tick_s`` is how long the tick took that made it, and
    ``waited_s`` how long the picture waited in the room for that to begin.
    """

    index: int
    time_s: float
    order: int
    aspect: float | None
    size: tuple[int, int]
    scale: float
    coding: Coding = "raw"
    tick_s: float = 0.0
    waited_s: float = 0.0


class Moved(Message, frozen=True, kw_only=True):
    """What dreamt for this mirror has gone, and another is there: join again, with a :class:`Seed`."""

    reason: str = ""


class Refused(Message, frozen=True, kw_only=True):
    """The room does not dream for this mirror; it then closes the connection.

    ``message`` is for people. ``retry_s``: it may be worth another try after so long; 0.0 leaves that open.
    """

    why: Refusal
    message: str
    retry_s: float = 0.0


FromMirror = Join | Order | Picture | Seed | GuideImage
FromRoom = Welcome | RoomResidual | DreamStatus | Moved | Refused

_FROM_MIRROR: dict[bytes, type[FromMirror]] = {
    b"J": Join,
    b"O": Order,
    b"P": Picture,
    b"S": Seed,
    b"G": GuideImage,
}
_FROM_ROOM: dict[bytes, type[FromRoom]] = {
    b"W": Welcome,
    b"R": RoomResidual,
    b"D": DreamStatus,
    b"M": Moved,
    b"X": Refused,
}
_KINDS = {kind: letter for letter, kind in (*_FROM_MIRROR.items(), *_FROM_ROOM.items())}


def pack(message: FromMirror | FromRoom, pixels: bytes | memoryview = b"") -> bytes:
    """``message`` and its pixels as one WebSocket message."""
    header = encode(message)
    return b"".join((_HEAD.pack(_KINDS[type(message)], len(header)), header, pixels))


def from_mirror(data: bytes) -> tuple[FromMirror, memoryview]:
    """What a mirror sent, and the pixels that follow it.

    Raises ``ProtocolError`` for what is no message of a mirror, and for another version.
    """
    return _unpack(data, _FROM_MIRROR, "a mirror")


def from_room(data: bytes) -> tuple[FromRoom, memoryview]:
    """What a room sent, and the pixels that follow it. Raises as :func:`from_mirror`."""
    return _unpack(data, _FROM_ROOM, "a room")


def _unpack(data: bytes, kinds: Mapping[bytes, type[M]], sender: str) -> tuple[M, memoryview]:
    if len(data) < _HEAD.size:
        raise ProtocolError(f"{len(data)} bytes are no message of {sender}")
    letter, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    if letter not in kinds or length > MAX_HEADER_BYTES or end > len(data):
        raise ProtocolError(f"not a message of {sender}: {bytes(data[:8])!r}")
    view = memoryview(data)
    return decode(view[_HEAD.size : end], kinds[letter]), view[end:]
