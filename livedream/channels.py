"""The words of the setting ``channels``: none (the whole layer), a set (``11,42``), or a rank (``top 3``)."""

from __future__ import annotations

from dataclasses import dataclass

from livedream.errors import UsageError

#: Ranks that a key steps through: beyond these, a channel has nothing to do with the picture.
RANKS = 24

#: The values that a control steps through: the whole layer, then the most active channels one by one.
CHOICES = ("", *(f"top {rank}" for rank in range(1, RANKS + 1)))

_LAST = 4095
_POSSIBLE = f"nothing for the whole layer, numbers such as 11,42 (0 to {_LAST}), or top 1 to top {RANKS}"


@dataclass(frozen=True)
class Channels:
    """Channels of a layer by number, or the ``rank``-th most active one; with neither, all of them."""

    numbers: tuple[int, ...] = ()
    rank: int = 0


def parse_channels(text: str) -> Channels:
    """The channels that a setting's text means. Raises ``UsageError``."""
    words = text.strip().lower()
    if not words:
        return Channels()
    rank = words.removeprefix("top").strip()
    if words != rank and rank.isdecimal() and 1 <= int(rank) <= RANKS:
        return Channels(rank=int(rank))
    numbers = [word.strip() for word in words.split(",")]
    if not all(number.isdecimal() and int(number) <= _LAST for number in numbers):
        raise UsageError(f"setting channels cannot be {text!r}; possible: {_POSSIBLE}")
    return Channels(tuple(sorted({int(number) for number in numbers})))


def channels_text(channels: Channels) -> str:
    """The opposite of :func:`parse_channels`."""
    return f"top {channels.rank}" if channels.rank else ",".join(map(str, channels.numbers))
