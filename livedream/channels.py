"""The syntax of the setting ``channels``: empty (all channels), a set, or a rank (``top 3``).

A set consists of numbers and ranges, optionally with a step: ``11,42``, ``0-99``, ``1-511/5``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from livedream.errors import UsageError, quoted

#: Ranks that a key steps through: channels beyond these hardly respond to the image.
RANKS = 24

#: The values that a control steps through: all channels, then the most active ones one by one.
CHOICES = ("", *(f"top {rank}" for rank in range(1, RANKS + 1)))

_LAST = 4095
#: More channels than this are written as a range if they form one.
_LISTED = 3
_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4})(?:/(\d{1,4}))?)?", re.ASCII)
_POSSIBLE = (
    f"empty for all channels, numbers and ranges such as 11,42 or 0-99 or 1-511/5 (0 to {_LAST}),"
    f" or top 1 to top {RANKS}"
)


@dataclass(frozen=True)
class Channels:
    """Channels of a layer by number, or the ``rank``-th most active one; all of them if neither is given."""

    numbers: tuple[int, ...] = ()
    rank: int = 0


def parse_channels(text: str) -> Channels:
    """The channels that the text selects. Raises ``UsageError``."""
    words = text.strip().lower()
    if not words:
        return Channels()
    rank = words.removeprefix("top").strip()
    if words != rank and rank.isdecimal() and len(rank) <= 4 and 1 <= int(rank) <= RANKS:
        return Channels(rank=int(rank))
    ranges = [_range(word.strip()) for word in words.split(",")]
    if not all(ranges):
        raise UsageError(f"invalid value {quoted(text)} for channels; expected {_POSSIBLE}")
    return Channels(tuple(sorted({number for numbers in ranges for number in numbers})))


def _range(word: str) -> range:
    """The numbers that a word selects; empty if it is invalid."""
    found = _RANGE.fullmatch(word)
    if found is None:
        return range(0)
    first, last, step = found[1], found[2] or found[1], found[3] or "1"
    return range(int(first), int(last) + 1, int(step)) if int(last) <= _LAST and int(step) else range(0)


def channels_text(channels: Channels) -> str:
    """The inverse of :func:`parse_channels`."""
    numbers = channels.numbers
    steps = {b - a for a, b in pairwise(numbers)}
    if len(numbers) > _LISTED and len(steps) == 1:
        step = steps.pop()
        return f"{numbers[0]}-{numbers[-1]}" + (f"/{step}" if step > 1 else "")
    return f"top {channels.rank}" if channels.rank else ",".join(map(str, numbers))
