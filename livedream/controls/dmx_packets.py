"""DMX over the network: one datagram of Art-Net or sACN, read strictly.

Art-Net 4's ArtDmx (opcode 0x5000) on UDP port 6454; ANSI E1.31 (streaming ACN) data packets on UDP port 5568.
Both carry the levels (0 to 255) of up to 512 channels of one universe, some 40 times a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Protocol = Literal["artnet", "sacn"]
ARTNET_PORT, SACN_PORT = 6454, 5568
#: Art-Net has no priorities; this is the usual one of sACN.
USUAL_PRIORITY = 100
CHANNELS = 512

_ART_DMX, _ART_VERSION = 0x5000, 14
_ROOT = b"\x00\x10\x00\x00ASC-E1.17\x00\x00\x00"
_ROOT_DATA, _FRAMING_DATA, _DMP_SET = 4, 2, 2
_PREVIEW, _TERMINATED = 0x80, 0x40


class MalformedError(ValueError):
    """A datagram that is neither; the message says why."""


@dataclass(frozen=True)
class Frame:
    """The levels of one universe. ``source`` tells senders apart, ``name`` is for people.

    ``sequence`` counts datagrams, None where the sender does not count. ``terminated``: the sender ends.
    """

    protocol: Protocol
    universe: int
    source: str
    name: str
    levels: bytes
    sequence: int | None = None
    priority: int = USUAL_PRIORITY
    terminated: bool = False


def read_artnet(data: bytes, host: str) -> Frame | None:
    """An ArtDmx from ``host``; None for Art-Net's other packets. Raises ``MalformedError``."""
    if not data.startswith(b"Art-Net\0") or len(data) < 12:
        raise MalformedError("not Art-Net")
    if int.from_bytes(data[8:10], "little") != _ART_DMX:
        return None
    if len(data) < 18 or int.from_bytes(data[10:12], "big") < _ART_VERSION:
        raise MalformedError("an ArtDmx with an incomplete header")
    length = int.from_bytes(data[16:18], "big")
    if not 1 <= length <= CHANNELS or len(data) < 18 + length:
        raise MalformedError(f"an ArtDmx of {length} channels in {len(data)} bytes")
    universe = data[14] | (data[15] & 0x7F) << 8
    return Frame("artnet", universe, f"artnet {host}", host, data[18 : 18 + length], data[12] or None)


def read_sacn(data: bytes, host: str) -> Frame | None:
    """A data packet of sACN; None for its other packets, previews, and other than levels.

    Raises ``MalformedError``.
    """
    if not data.startswith(_ROOT) or len(data) < 38:
        raise MalformedError("not sACN")
    if int.from_bytes(data[18:22], "big") != _ROOT_DATA:
        return None
    if len(data) < 126:
        raise MalformedError(f"an sACN packet of {len(data)} bytes")
    for begin in (16, 38, 115):  # each layer says how long it is, to the end of the packet
        if int.from_bytes(data[begin : begin + 2], "big") != 0x7000 | (len(data) - begin):
            raise MalformedError("an sACN packet whose layers have other lengths than they say")
    if int.from_bytes(data[40:44], "big") != _FRAMING_DATA:
        return None
    if data[117] != _DMP_SET or data[118] != 0xA1 or data[119:123] != b"\x00\x00\x00\x01":
        raise MalformedError("an sACN packet that sets no properties")
    count = int.from_bytes(data[123:125], "big")
    if not 1 <= count <= CHANNELS + 1 or len(data) != 125 + count:
        raise MalformedError(f"an sACN packet of {count} values in {len(data)} bytes")
    options, priority = data[112], data[108]
    if options & _PREVIEW or data[125] != 0:  # only a start code of 0 means levels
        return None
    if priority > 200:
        raise MalformedError(f"an sACN packet of priority {priority}")
    return Frame(
        "sacn",
        int.from_bytes(data[113:115], "big"),
        f"sacn {data[22:38].hex()}",
        data[44:108].split(b"\0")[0].decode("utf-8", "replace") or host,
        data[126:],
        data[111],
        priority,
        bool(options & _TERMINATED),
    )
