"""Addresses of media servers: which can be pushed to, and what of one may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from livedream.errors import UsageError

#: FFmpeg's muxer for each kind of address, and its options.
MUXERS = {
    "rtsp": ("rtsp", {"rtsp_transport": "tcp"}),
    "rtsps": ("rtsp", {"rtsp_transport": "tcp"}),
    "http": ("whip", {}),
    "https": ("whip", {}),
}


def check_push(url: str) -> str:
    """``url``, if it can be pushed to. Raises ``UsageError``, without telling what may be secret in it."""
    try:
        found = urlsplit(url)
        wrong = found.scheme not in MUXERS or not found.hostname or found.port == 0
    except ValueError:  # a port that is no number
        wrong = True
    if wrong:
        raise UsageError(
            "cannot push there; expected rtsp://HOST[:PORT]/NAME or http(s)://HOST[:PORT]/…/whip"
        )
    return url


def public_url(url: str) -> str:
    """Where a URL leads: its path, too, may be a key that lets others push."""
    found = urlsplit(url)
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}"
