"""What opens a room, from the command line and the environment."""

from __future__ import annotations

import os

import pytest

from livedream.cli.flags import changes_from
from livedream.cli.mirror import mirror_parser
from livedream.cli.room_flags import TOKEN_VARIABLE, room_keys
from livedream.errors import UsageError

TOKEN = "k7mq-2xtp-9fhd"


@pytest.fixture
def keys(monkeypatch):
    def of(*words, kept=""):
        if kept:
            monkeypatch.setenv(TOKEN_VARIABLE, kept)
        found = mirror_parser().parse_args(list(words))
        return room_keys(found, changes_from(found))

    return of


@pytest.mark.parametrize(
    "words", [["--dream-at", "ws://10.0.0.7:8850"], ["--set", "dream_at=ws://10.0.0.7:8850"]]
)
def test_the_token_is_for_the_room_of_the_command_line(keys, words):
    found = keys(*words, "--room-token", TOKEN)
    assert (found.place, found.token) == (("ws", "10.0.0.7", 8850), TOKEN)


def test_a_token_in_the_environment_is_taken_out_of_it(keys):
    found = keys("--dream-at", "ws://10.0.0.7:8850", kept=TOKEN)
    assert found.token == TOKEN
    assert TOKEN_VARIABLE not in os.environ


def test_a_token_for_no_room_is_for_nobody(keys):
    assert keys(kept=TOKEN).token == ""
    with pytest.raises(UsageError, match="--room-token without --dream-at"):
        keys("--room-token", TOKEN)


def test_a_token_that_cannot_be_one_is_not_repeated(keys):
    with pytest.raises(UsageError, match=TOKEN_VARIABLE) as refused:
        keys("--dream-at", "ws://10.0.0.7:8850", kept="with spaces in it")
    assert "with spaces" not in str(refused.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_told_at_the_start(keys, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="expected a file of certificates"):
        keys("--dream-at", "wss://10.0.0.7:8850", "--room-ca", str(path))
