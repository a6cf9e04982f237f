"""What went wrong with a room, in words that say what to do."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp

from livedream.errors import ProtocolError, VersionError, one_line
from livedream.ipc.room_messages import Refused

#: A room may ask to be left alone for so long at most, in seconds.
_LONGEST_RETRY_S = 300.0


#: The fault of a connection that has ended.
LOST = "room lost"


class RoomError(Exception):
    """There is no room to dream in, as ``why`` says in words; another try may be worth it in ``retry_s``."""

    def __init__(self, why: str, retry_s: float = 0.0, fault: str = LOST) -> None:
        super().__init__(why)
        self.why, self.fault = why, fault
        self.retry_s = min(max(0.0, retry_s), _LONGEST_RETRY_S) if retry_s == retry_s else 0.0


class RedirectedError(aiohttp.ClientError):
    """A room never sends anybody elsewhere: neither pictures nor a token follow."""


def refusal(refused: Refused) -> RoomError:
    """A room's refusal as an error."""
    said = one_line(refused.message)
    words = {
        "full": "the room is full",
        "version": "the room has another version",
        "invalid": "the room did not understand this mirror",
        "closing": "the room closes",
    }[refused.why]
    told = said if said.startswith("the room") else f"{words}: {said}" if said else words
    return RoomError(told, refused.retry_s, f"room {refused.why}")


def trouble(error: BaseException, *, sent_token: bool, has_token: bool) -> RoomError:
    """What failed while connecting or talking, in words.

    ``sent_token``: the room was shown a token; ``has_token``: one was given, if for another room.
    """
    if isinstance(error, RoomError):
        return error
    if isinstance(error, VersionError):
        return RoomError(f"the room has another version: {one_line(str(error))}", 15.0, "room version")
    if isinstance(error, ProtocolError):
        return RoomError(
            f"what is there is no room, or is damaged: {one_line(str(error))}", 15.0, "room garbage"
        )
    if isinstance(error, TimeoutError | asyncio.TimeoutError | aiohttp.ServerTimeoutError):
        return RoomError("the room does not answer")
    if isinstance(error, RedirectedError):
        return RoomError("what is there is no room: it sends visitors elsewhere", 15.0)
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return _handshake(error.status, sent_token, has_token)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return RoomError(
            f"{_certificate(error.certificate_error)}; possible: --room-ca FILE", 15.0, "room TLS"
        )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return RoomError(
            "no encrypted connection to the room; ws:// if it has no certificate", 15.0, "room TLS"
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RoomError(f"there is no machine called {error.host}", 5.0)
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):
            return RoomError("no room listens there")
        return RoomError(f"the room cannot be reached: {error.os_error.strerror or 'no connection'}")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        return RoomError("what is there is no room: it does not speak WebSocket", 15.0)
    if isinstance(error, aiohttp.ClientError | OSError):
        return RoomError("the connection to the room was lost")
    return RoomError(f"the room failed: {type(error).__name__}", 15.0, "room failed")


def _handshake(status: int, sent_token: bool, has_token: bool) -> RoomError:
    if status == 403:
        return RoomError("the room refuses this mirror", 15.0, "room refused")
    if status == 401:
        if sent_token:
            words = "the room does not know this token"
        elif has_token:
            words = (
                "the room wants a token, and the one given is for the room that --dream-at named at the start"
            )
        else:
            words = "the room wants a token; possible: --room-token, or LIVEDREAM_ROOM_TOKEN"
        return RoomError(words, 15.0, "room token")
    if status == 429:
        return RoomError("the room was asked too often", 30.0)
    if status in (502, 503, 504):
        return RoomError("the room is not ready", 2.0)
    return RoomError(f"what is there is no room: it answers HTTP {status}", 15.0)


def _certificate(error: Exception) -> str:
    reason = getattr(error, "verify_message", "") or "it is not valid"
    return f"the room's certificate is refused: {one_line(reason)}"
