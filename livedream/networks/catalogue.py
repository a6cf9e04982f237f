"""The known networks: their layers, what they are called, and where their weights are.

Only tables and paths: nothing here loads a network, so the show process can list layers without torch. The
tables are data: ``catalogue.toml``, written by hand, and ``classifiers.json``, which holds what
:mod:`livedream.networks.survey` found in torchvision's other classifiers.
"""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from livedream.data import shipped
from livedream.errors import NetworkError, UsageError
from livedream.places import networks_dir

log = logging.getLogger(__name__)

#: What the layers of any classifier see, from the bottom up. Each word is a layer name on every network.
WORDS = ("edges", "textures", "patterns", "parts", "objects")

#: The folder of the shipped networks; it is only read.
MODELS_DIR = shipped("models")

#: Larger than any classifier that could dream live, and the most that protobuf (Caffe's format) allows.
LARGEST_BYTES = 2**31

#: How the names of torchvision's vision transformers begin.
TRANSFORMERS = ("vit_", "swin_", "maxvit_")


@dataclass(frozen=True)
class LayerInfo:
    """One dream-worthy layer: its name, channels, stride in pixels, and the word for what it sees.

    ``short`` is what the literature calls it, where that is handier than the name: ``conv4_3``, ``4c``.
    """

    name: str
    channels: int
    stride: int
    word: str
    short: str = ""


@dataclass(frozen=True)
class NetworkInfo:
    """One network: its layers from the bottom up, the layer for each word, its weight file and origin.

    ``provider`` is where it comes from, and so what loads it: ``livedream``, ``caffe`` or ``torchvision``.
    ``mean`` and ``std`` are subtracted from an image and divided by, for RGB in [0, 1]; the network then
    takes the channels in ``channel_order``. Images with a side below ``smallest_px`` are padded.
    """

    name: str
    layers: tuple[LayerInfo, ...]
    words: dict[str, str]
    weights_file: str
    origin: str
    licence: str
    how_to_get: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    provider: str = "torchvision"
    channel_order: str = "RGB"
    smallest_px: int = 1

    @property
    def default_layer(self) -> str:
        """The layer that is dreamt on when none is named."""
        return self.words["patterns"]

    def layer(self, name: str) -> LayerInfo:
        """The layer called ``name``: its own name, a word (``parts``), a short name (``4c``), the notebook's
        ``inception_4c/output``. Raises ``UsageError`` with the names there are."""
        wanted = self.words.get(name, name).removesuffix("/output")
        for layer in self.layers:
            if wanted in (layer.name, layer.short or layer.name):
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        words = ", ".join(word for word in WORDS if self.words[word] != word)
        raise UsageError(
            f"unknown layer {name!r}; {self.name} has: {names}" + (f" (or {words})" if words else "")
        )

    def blend(self, text: str) -> tuple[tuple[LayerInfo, float], ...]:
        """Layers and their weights, which sum to 1: ``4c``, or ``3b:0.3,4c:0.7``; without a number it is 1.

        Raises ``UsageError``.
        """
        found = []
        for part in text.split(","):
            name, colon, number = part.partition(":")
            try:
                weight = float(number) if colon else 1.0
            except ValueError:
                weight = 0.0
            if not 0 < weight < float("inf"):
                raise UsageError(
                    f"layer {text!r}: {number.strip()!r} is not a weight; possible: for example 3b:0.3,4c:0.7"
                )
            found.append((self.layer(name.strip()), weight))
        total = sum(weight for _, weight in found)
        return tuple((layer, weight / total) for layer, weight in found)


def _network(name: str, facts: dict[str, Any]) -> NetworkInfo:
    """A network from its entry in a table; what torchvision's have in common need not be in it."""
    layers, words = [], {}
    for row in facts["layers"].strip().splitlines():
        names, channels, stride, word = row.split()
        full, _, short = names.partition("=")
        if word.endswith("*"):
            word = word.removesuffix("*")
            words[word] = full
        layers.append(LayerInfo(full, int(channels), int(stride), word, short))
    file = facts["weights_file"]
    common = {
        "licence": "BSD-3-Clause (torchvision)",
        "how_to_get": f"run: livedream models fetch {name}; or with {file} from elsewhere:"
        f" livedream models import {file} --as {name}",
    }
    mean = tuple(facts.get("mean", (0.485, 0.456, 0.406)))
    std = tuple(facts.get("std", (0.229, 0.224, 0.225)))
    own = {key: value for key, value in facts.items() if key not in ("layers", "mean", "std")}
    return NetworkInfo(name=name, layers=tuple(layers), words=words, mean=mean, std=std, **(common | own))


class _Table(Mapping[str, NetworkInfo]):
    """The networks of one data file, read on first use, so that a damaged file does not break an import.

    A damaged file raises ``NetworkError``; an ``optional`` table is then logged once, and empty.
    """

    def __init__(self, file: str, parse: Callable[[str], Any], *, optional: bool = False) -> None:
        self._file, self._parse, self._optional = file, parse, optional

    @cached_property
    def _networks(self) -> dict[str, NetworkInfo]:
        path = files(__package__).joinpath(self._file)
        try:
            rows = self._parse(path.read_text("utf-8"))
            return {name: _network(name, facts) for name, facts in rows.items()}
        # A damaged file may hold anything, and fail at any step of the way.
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = f"{path} is damaged ({type(error).__name__}: {error}); install livedream again"
            if not self._optional:
                raise NetworkError(f"the table of networks cannot be read: {reason}") from error
            log.warning("only the main networks are available: %s", reason)
            return {}

    def __getitem__(self, name: str) -> NetworkInfo:
        return self._networks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._networks)

    def __len__(self) -> int:
        return len(self._networks)


#: The catalogue: networks with tables written by hand.
NETWORKS: Mapping[str, NetworkInfo] = _Table("catalogue.toml", tomllib.loads)

#: torchvision's other classifiers, with the layers that tracing found.
CLASSIFIERS: Mapping[str, NetworkInfo] = _Table("classifiers.json", json.loads, optional=True)


def network_info(name: str) -> NetworkInfo:
    """The table of a network. Raises ``UsageError`` with the names there are."""
    info = NETWORKS.get(name) or CLASSIFIERS.get(name)
    if info is not None:
        return info
    possible = (
        f"possible: {', '.join(NETWORKS)}, or another of torchvision's convolutional classifiers, for example"
        " resnet34, regnet_y_400mf, shufflenet_v2_x1_0"
    )
    if name.startswith(TRANSFORMERS):
        raise UsageError(
            f"network {name!r} is a vision transformer; the dream needs a convolutional network, which takes"
            f" images of any size; {possible}"
        )
    raise UsageError(f"unknown network {name!r}; {possible}")


def installed_networks() -> tuple[str, ...]:
    """The networks whose weights are on this machine."""
    return tuple(name for name in (*NETWORKS, *CLASSIFIERS) if find_weights(name) is not None)


def _torch_hub_checkpoints() -> Path:
    """Where torchvision keeps what it downloaded (torch.hub's rule, without importing torch)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch") / "hub" / "checkpoints"


def find_weights(name: str, weights: Path | None = None) -> Path | None:
    """The weight file of a network: ``weights`` when given, else the user's own import or download, else the
    shipped file, else the one in torchvision's cache.

    None when there is none. Raises ``NetworkError`` when ``weights`` is given and is not a file.
    """
    info = network_info(name)
    if weights is not None:
        if not weights.is_file():
            raise NetworkError(f"weights {str(weights)!r} of {name}: no such file; {info.how_to_get}")
        return weights
    folders = (networks_dir(), MODELS_DIR)  # in both: our name first, then the published one
    paths = [folder / file for folder in folders for file in (f"{name}.safetensors", info.weights_file)]
    paths.append(_torch_hub_checkpoints() / info.weights_file)
    return next((path for path in paths if path.is_file()), None)


def imported_weights(name: str) -> Path:
    """Where ``livedream models import`` and ``fetch`` write a network's weights: in the user's folder."""
    return networks_dir() / f"{name}.safetensors"
