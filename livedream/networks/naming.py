"""The settings that name dreams, checked against the words that a network has. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from livedream.errors import UsageError, quoted
from livedream.networks.catalogue import network_info
from livedream.networks.words import WordTable, parse_words, table_path, word_table
from livedream.settings import Settings

#: More than anybody steps through.
_MOST_IN_PALETTE = 100


def named(network: str, text: str) -> dict[str, float]:
    """The words in ``dream_of`` or ``dream_to``, as the network's table calls them, with their weights.

    Raises ``UsageError`` for an absurd list, an unknown word and a network without a table.
    """
    weights: dict[str, float] = {}
    for word, weight in parse_words(text):
        name = word_table(network).resolve(word)
        weights[name] = weights.get(name, 0.0) + weight
    return weights


def words_text(weights: dict[str, float]) -> str:
    """The opposite of :func:`named`."""
    return ", ".join(word if weight == 1 else f"{word}:{weight:g}" for word, weight in weights.items())


@lru_cache(maxsize=16)
def parse_palette(text: str) -> tuple[str, ...]:
    """The words of a palette as they are written. Raises ``UsageError`` for an absurd list."""
    words = [" ".join(word.split()) for word in text.split(",")]
    if not text.strip():
        return ()
    if "" in words or len(words) > _MOST_IN_PALETTE:
        what = "an empty word" if "" in words else f"{len(words)} words"
        raise UsageError(
            f"palette {quoted(text)}: {what}; possible: up to {_MOST_IN_PALETTE} words with commas between"
            " them, such as castle, birds, daisy"
        )
    return tuple(dict.fromkeys(words))


def palette_words(settings: Settings) -> tuple[str, ...]:
    """The words of the palette that the network has; none without a table. Raises ``UsageError``."""
    words = parse_palette(settings.palette)
    if table_path(settings.network) is None:
        return ()
    table = word_table(settings.network)
    return tuple(dict.fromkeys(name for word in words if (name := _resolved(table, word))))


def _resolved(table: WordTable, word: str) -> str:
    try:
        return table.resolve(word)
    except UsageError:
        return ""


def walked_words(settings: Settings) -> tuple[str, ...]:
    """What ``word_walk`` goes through: the words of ``dream_of`` if they are several, else the palette.

    Raises ``UsageError`` when there is no word in either.
    """
    asked = tuple(named(settings.network, settings.dream_of))
    if len(asked) > 1:
        return asked
    words = palette_words(settings)
    if not words:
        raise UsageError(
            f"word_walk has no words to walk through: {settings.network} has none of the palette"
            f" {quoted(settings.palette)}; possible: several in dream_of, or other words in the palette"
        )
    return beginning_with(asked, words)


def beginning_with(asked: Sequence[str], words: tuple[str, ...]) -> tuple[str, ...]:
    """``words`` turned so that the first one ``asked`` for comes first, if it is among them."""
    start = words.index(asked[0]) if asked and asked[0] in words else 0
    return (*words[start:], *words[:start])


def check_words(settings: Settings) -> Settings:
    """``settings`` with the names that the network's table has for their words.

    Raises ``UsageError`` for words, layers and networks of which there are none, for a palette that is no
    list, and for words beside what excludes them.
    """
    parse_palette(settings.palette)
    if not settings.by_words:
        return settings
    for name, value in (("guide", settings.guide), ("channels", settings.channels)):
        if value:
            raise UsageError(
                f"words and {name} {quoted(value)} cannot be dreamt at once; possible: words without {name},"
                f" or {name} without dream_of, dream_to, word_walk and surprise"
            )
    table = word_table(settings.network)
    for layer, _ in network_info(settings.network).blend(settings.layer):
        if layer.name not in table.layers:
            raise UsageError(
                f"layer {layer.name} of {settings.network} has no words; possible: {', '.join(table.layers)}"
            )
    if settings.word_walk:
        walked_words(settings)
    names = ("dream_of", "dream_to")
    return settings.replace(**{n: words_text(named(settings.network, getattr(settings, n))) for n in names})


def completions(settings: Settings, text: str) -> list[str]:
    """How the last word of ``text``, a value of ``dream_of``, ``dream_to`` or ``palette``, may go on: whole
    values, families first. Raises ``UsageError`` for a network without words."""
    before, comma, word = text.rpartition(",")
    head = f"{before}{comma} " if comma else ""
    return [head + name for name in word_table(settings.network).complete(word.strip())]
