"""Datagrams that other programs sent, recorded over loopback: the levels of a desk that moves and ends."""

from __future__ import annotations

import base64
import zlib

#: sacn 1.11 (MIT): universe 7, priority 120, three channels, then the stream ends, said three times.
_SACN = (
    "c-mvCV-R3qa13_Vbv4v8G-qI7D9Qs8EIuDP*Nd@#R2RD*uKx0hR7Oz*P?RYpwK$uB0#E@a*^9WD76NHTCPoGZuKx_9"
    "VB`WOdZ#}|)b!Udn*K)9A3f6_lf!8G8wCTG{+LJ8-zXTs^v5!q{zd@;000?1Qke"
)
#: stupidArtnet 1.6: universe 3, eight channels, the first at 0, 90 and 255, without sequence numbers.
_ARTNET = "c-mu-ax5y*^-C>bU<hE~V_;xrVBlbY0W5M+c;x;=r2y7j3RD"


def _datagrams(packed: str) -> list[bytes]:
    data, found = zlib.decompress(base64.b85decode(packed)), []
    while data:
        size = int.from_bytes(data[:2], "big")
        found.append(data[2 : 2 + size])
        data = data[2 + size :]
    return found


SACN = _datagrams(_SACN)
ARTNET = _datagrams(_ARTNET)
