"""Addresses of rooms, and who may see the token of one."""

from __future__ import annotations

import pytest

from livedream.errors import UsageError
from livedream.room_address import RoomKeys, room_address
from livedream.settings import Settings


@pytest.mark.parametrize(
    ("text", "url", "local"),
    [
        ("ws://127.0.0.1:8850", "ws://127.0.0.1:8850/", True),
        ("wss://dreams.example:443", "wss://dreams.example:443/", False),
        ("ws://[::1]:8850", "ws://[::1]:8850/", True),
        ("ws://localhost:8850/", "ws://localhost:8850/", True),
        ("ws://10.0.0.7:8850/rooms/left", "ws://10.0.0.7:8850/rooms/left", False),
    ],
)
def test_an_address_is_understood(text, url, local):
    address = room_address(text)
    assert (address.url, address.local) == (url, local)
    assert Settings(dream_at=text).dream_at == text


def test_nothing_is_no_room():
    assert room_address("") is None


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.7:8850",
        "http://10.0.0.7:8850",
        "ws://10.0.0.7",
        "ws://:8850",
        "ws://10.0.0.7:0",
        "ws://10.0.0.7:99999",
        "ws://10.0.0.7:port",
        "ws://me:secret@10.0.0.7:8850",
        "ws://10.0.0.7:8850/?token=secret",
        "ws://[10.0.0.7:8850",
        "ws://10.0.0.7:8850/\n",
        "ws://" + "a" * 400 + ":1",
    ],
)
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(UsageError, match="expected nothing to dream here; or") as refused:
        Settings(dream_at=text)
    assert str(refused.value).startswith("setting dream_at: invalid value ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "other", ["ws://10.0.0.8:8850", "ws://10.0.0.7:8851", "wss://10.0.0.7:8850", "ws://evil.example:8850"]
)
def test_a_token_is_for_the_room_that_it_was_given_for(other):
    own = room_address("ws://10.0.0.7:8850")
    keys = RoomKeys(own.place, "k7mq-2xtp")
    assert keys.token_for(own) == "k7mq-2xtp"
    assert keys.token_for(room_address(other)) == ""
    assert "k7mq" not in repr(keys)
