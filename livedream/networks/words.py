"""Dreams that can be named: words and families of them, and the channels of a layer that see each.

A *word* is one of the 1000 classes of ImageNet, or a family of them (``birds``). A network's table says, for
some of its layers, which channels a word needs most, and how a layer's activity tells what a picture shows.
Tables are files, made by :mod:`livedream.networks.word_making`; no torch here.
"""

from __future__ import annotations

import difflib
import functools
import io
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from livedream.errors import NetworkError, UsageError, quoted
from livedream.frame import Array
from livedream.networks.catalogue import MODELS_DIR, network_info
from livedream.places import networks_dir

#: More words at once make a dream of nothing in particular.
MOST_WORDS = 12
_LONGEST_TEXT = 400
_POSSIBLE = 'for example "castle", "golden retriever, daisy:0.5" or "birds"'
#: Where the shipped tables are; this folder is only read.
SHIPPED_TABLES = MODELS_DIR / "words"


def parse_words(text: str) -> tuple[tuple[str, float], ...]:
    """Words with their weights: ``golden retriever, daisy:0.5``; without a number it is 1. None for "".

    A word that is named twice counts with both weights. Whether a word exists is up to the network's table.
    Raises ``UsageError`` for what is not such a list, for weights that are not above 0 and finite, and for
    more than 12 words.
    """
    if not text.strip():
        return ()
    if len(text) > _LONGEST_TEXT:
        raise UsageError(f"words {quoted(text)}: {len(text)} characters; possible: at most {_LONGEST_TEXT}")
    found: dict[str, float] = {}
    for part in text.split(","):
        word, colon, number = (piece.strip() for piece in part.rpartition(":"))
        if not colon:
            word, number = number, "1"
        if not word:
            raise UsageError(f"words {quoted(text)}: one of them is empty; possible: {_POSSIBLE}")
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not 0 < weight < 1e6:
            raise UsageError(f"words {quoted(text)}: {quoted(number)} is not a weight; possible: {_POSSIBLE}")
        name = " ".join(word.split()).casefold()
        found[name] = found.get(name, 0.0) + weight
    if len(found) > MOST_WORDS:
        raise UsageError(f"words {quoted(text)}: {len(found)} words; possible: at most {MOST_WORDS}")
    return tuple(found.items())


@dataclass(frozen=True)
class Vocabulary:
    """The words of every table: ``words`` of the classes in ImageNet's order, and ``families``, each with the
    numbers of its classes (none for a family that is learnt from pictures)."""

    words: tuple[str, ...]
    families: Mapping[str, tuple[int, ...]]
    #: Lower-case names of all kinds, each with the word or family that it stands for.
    names: Mapping[str, str]
    #: The folders of training pictures that show a family.
    folders: Mapping[str, tuple[str, ...]]

    def resolve(self, word: str) -> str:
        """The word or family that is called so: its own name, another one, any case, singular or plural.

        Raises ``UsageError`` naming the nearest.
        """
        wanted = " ".join(word.split()).casefold()
        plural = f"{wanted[:-1]}ies" if wanted.endswith("y") else f"{wanted}s"
        for name in (wanted, plural, wanted.removesuffix("s"), wanted.removesuffix("es")):
            if name in self.names:
                return self.names[name]
        near = difflib.get_close_matches(wanted, self.names, 8, 0.6)
        near += [name for name in self.names if wanted and wanted in name.split()]
        meant = list(dict.fromkeys(self.names[name] for name in near))[:3]
        if meant:
            raise UsageError(f"unknown word {quoted(word)}; did you mean {' or '.join(map(repr, meant))}?")
        few = ", ".join(list(self.families)[:6])
        raise UsageError(f"unknown word {quoted(word)}; possible: {few}, …; all: livedream models words")

    def complete(self, prefix: str) -> list[str]:
        """The families and words that begin with ``prefix``, then those in which another name or a later word
        of the name does; of all, with an empty one."""
        wanted = " ".join(prefix.split()).casefold()
        everything = (*self.families, *self.words)
        first = [name for name in everything if name.casefold().startswith(wanted)]
        later = [meant for name, meant in self.names.items() if f" {name}".find(f" {wanted}") >= 0]
        return list(dict.fromkeys([*first, *later]))


@functools.cache
def vocabulary() -> Vocabulary:
    """The shipped vocabulary."""
    package = files(__package__)
    rows = [line.split(", ") for line in package.joinpath("imagenet.txt").read_text("utf-8").splitlines()]
    table = tomllib.loads(package.joinpath("families.toml").read_text("utf-8"))
    families = {name: _numbers(text) for name, text in table["classes"].items()}
    folders = {name: tuple(text.split()) for name, text in table["folders"].items()}
    families |= {name: () for name in folders if name not in families}
    names: dict[str, str] = {}
    for group in ([row[0] for row in rows], list(families)):
        for name in group:
            names.setdefault(name.casefold(), name)
    for row in rows:
        for name in row[1:]:
            names.setdefault(name.casefold(), row[0])
    return Vocabulary(tuple(row[0] for row in rows), families, names, folders)


def _numbers(text: str) -> tuple[int, ...]:
    ranges = (part.partition("-") for part in text.split())
    return tuple(n for first, _, last in ranges for n in range(int(first), int(last or first) + 1))


@dataclass(frozen=True)
class _LayerTable:
    """One layer's part: for each row (class, then learnt family) its channels and their weights, (R, N),
    whose sizes sum to 1; and what a probe of rank r needs: for x = √activity / its norm, logits are
    ``((x - mean) @ inward) @ outward + bias``, of float32 (C,), (C, r), (r, 1000), (1000,)."""

    channels: Array
    weights: Array
    mean: Array
    inward: Array
    outward: Array
    bias: Array


class WordTable:
    """The words of one network: :func:`word_table` gives it."""

    def __init__(self, network: str, path: Path) -> None:
        """Read a table. Raises ``NetworkError`` for a file that is missing, damaged or of another network."""
        self.network = network
        self._vocabulary = vocabulary()
        self._path = path
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            self._learnt = [str(name) for name in arrays["learnt"]]
            self._layers = {str(layer): _layer_table(arrays, str(layer)) for layer in arrays["layers"]}
        # A damaged file may hold anything, and fail at any step of the way.
        except (OSError, ValueError, KeyError, EOFError, IndexError, TypeError) as error:
            raise NetworkError(
                f"the words of {network} in {path} cannot be read ({error}); {_how_to_make(network)}"
            ) from error
        except Exception as error:  # zipfile and zlib have exceptions of their own
            raise NetworkError(f"{path} is damaged ({error}); {_how_to_make(network)}") from error

    @property
    def words(self) -> tuple[str, ...]:
        """The names of the 1000 classes."""
        return self._vocabulary.words

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families that this table has."""
        return tuple(
            name for name, classes in self._vocabulary.families.items() if classes or name in self._learnt
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that have a table, by their names in the catalogue."""
        return tuple(self._layers)

    def resolve(self, word: str) -> str:
        """See :meth:`Vocabulary.resolve`."""
        found = self._vocabulary.resolve(word)
        if found not in self.words and found not in self.families:
            raise UsageError(
                f"the table of {self.network} does not have {found!r}: {_how_to_make(self.network)}"
            )
        return found

    def complete(self, prefix: str) -> list[str]:
        """See :meth:`Vocabulary.complete`."""
        return [name for name in self._vocabulary.complete(prefix) if name in self._all]

    @functools.cached_property
    def _all(self) -> frozenset[str]:
        return frozenset((*self.words, *self.families))

    def emphasis(self, layer: str, words: tuple[tuple[str, float], ...]) -> Array:
        """How each channel of a layer speaks for ``words`` (as :func:`parse_words` gives them), or against.

        float32 (C,) with a mean size of 1, for ``Objective.words``. Raises ``UsageError`` for an unknown
        word, for no word, and for a layer without a table, naming those with.
        """
        table = self._layer(layer)
        if not words:
            raise UsageError(f"no words for {layer}; possible: {_POSSIBLE}")
        channels = network_info(self.network).layer(layer).channels
        total = np.zeros(channels, np.float64)
        for word, weight in words:
            for row, share in self._rows(self.resolve(word)):
                total[table.channels[row]] += weight * share * table.weights[row]
        total *= channels / max(float(np.abs(total).sum()), 1e-12)
        return np.asarray(total, np.float32)

    def recognised(self, layer: str, activity: Array, count: int = 5) -> list[tuple[str, float]]:
        """What a picture shows: the ``count`` likeliest classes with their probabilities, the best first.

        ``activity`` is the layer's mean squared activation by channel, (C,), as ``Step.activity``, of the
        picture that is to be recognised: the camera's, not a dreamt one. Raises ``UsageError`` for a layer
        without a table.
        """
        table = self._layer(layer)
        x = np.sqrt(np.maximum(np.asarray(activity, np.float32), 0))
        x = x / max(float(np.linalg.norm(x)), 1e-12)
        logits = ((x - table.mean) @ table.inward) @ table.outward + table.bias
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        best = np.argsort(-shares, kind="stable")[:count]
        return [(self.words[n], float(shares[n])) for n in best]

    def _layer(self, layer: str) -> _LayerTable:
        name = network_info(self.network).layer(layer).name
        if name not in self._layers:
            raise UsageError(
                f"layer {layer!r} of {self.network} has no words; possible: {', '.join(self._layers)}"
            )
        return self._layers[name]

    def _rows(self, name: str) -> list[tuple[int, float]]:
        """The rows of the table that make a word or family, and the share of each."""
        if name in self._learnt:
            return [(len(self.words) + self._learnt.index(name), 1.0)]
        classes = self._vocabulary.families.get(name) or (self.words.index(name),)
        return [(n, 1 / len(classes)) for n in classes]


def _layer_table(arrays: Mapping[str, Array], layer: str) -> _LayerTable:
    def read(name: str) -> Array:
        found = arrays[f"{layer}/{name}"]
        scale = arrays.get(f"{layer}/{name}/scale")
        return found if scale is None else found.astype(np.float32) * scale

    values: dict[str, Any] = {
        name: read(name) for name in ("channels", "weights", "mean", "inward", "outward", "bias")
    }
    for name in values:
        if name != "channels":
            values[name] = np.asarray(values[name], np.float32)
            if not np.isfinite(values[name]).all():
                raise ValueError(f"{layer}/{name} is not finite")
    values["weights"] /= np.maximum(np.abs(values["weights"]).sum(1, keepdims=True), 1e-12)
    return _LayerTable(**values)


def own_table(network: str) -> Path:
    """Where ``livedream models words`` writes a network's table: in the user's folder."""
    return networks_dir() / f"{network}.words.npz"


def table_path(network: str) -> Path | None:
    """Where a network's table is: the user's own, else the shipped one; None when there is none."""
    paths = (own_table(network), SHIPPED_TABLES / f"{network}.npz")
    return next((path for path in paths if path.is_file()), None)


def word_table(network: str) -> WordTable:
    """A network's words; read once. Raises ``UsageError`` for one that has none, saying how to make it, and
    ``NetworkError`` for a damaged file."""
    path = table_path(network_info(network).name)
    if path is None:
        raise UsageError(f"network {network!r} has no words; {_how_to_make(network)}")
    return _read(network, path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _read(network: str, path: Path, _changed: int) -> WordTable:
    return WordTable(network, path)


def _how_to_make(network: str) -> str:
    return f"run: livedream models words {network} --pictures FOLDER"
