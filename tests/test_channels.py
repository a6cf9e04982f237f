"""The syntax of the setting ``channels``."""

from __future__ import annotations

import pytest

from livedream.channels import CHOICES, Channels, channels_text, parse_channels
from livedream.errors import UsageError


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("", Channels()),
        ("  ", Channels()),
        ("11", Channels((11,))),
        ("42, 11,42", Channels((11, 42))),
        ("3-5, 9", Channels((3, 4, 5, 9))),
        ("0-99", Channels(tuple(range(100)))),
        ("1-511/5", Channels(tuple(range(1, 512, 5)))),
        ("top 3", Channels(rank=3)),
        ("Top3", Channels(rank=3)),
    ],
)
def test_text_is_parsed_and_written_back(text, channels):
    assert parse_channels(text) == channels
    assert parse_channels(channels_text(channels)) == channels


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "1,",
        "4096",
        "1.5",
        "eleven",
        "top",
        "top 0",
        "top 99",
        "11 42",
        "9-3",
        "1-",
        "1-9/",
        "1-9/0",
        "0-4096",
        "-",
        "1-2-3",
        "٣",
    ],
)
def test_other_text_is_refused(text):
    with pytest.raises(UsageError, match=r"invalid value .* for channels; expected empty for all"):
        parse_channels(text)


def test_a_range_is_written_as_a_range():
    assert channels_text(Channels(tuple(range(1, 512, 5)))) == "1-511/5"
    assert channels_text(Channels((2, 3, 4, 5))) == "2-5"
    assert channels_text(Channels((3, 4, 5, 9))) == "3,4,5,9"


def test_a_control_steps_through_valid_values():
    assert [channels_text(parse_channels(text)) for text in CHOICES] == list(CHOICES)
