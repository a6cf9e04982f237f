"""The networks there are: their layers, what they are called, and where their weights lie.

Pure tables and paths: nothing here loads a network, so the show process can list layers without torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from livedream.errors import NetworkError, UsageError

#: What the layers of any classifier see, from the bottom up. Each word is a layer name on every network.
WORDS = ("edges", "textures", "patterns", "parts", "objects")

#: The folder of the shipped networks, and the first place where others are looked for.
MODELS_DIR = Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True)
class LayerInfo:
    """One dream-worthy layer: its name, channels, stride in pixels, and the word for what it sees."""

    name: str
    channels: int
    stride: int
    word: str


@dataclass(frozen=True)
class NetworkInfo:
    """One network: its layers from the bottom up, the layer for each word, its weight file and origin."""

    name: str
    layers: tuple[LayerInfo, ...]
    words: dict[str, str]
    weights_file: str
    origin: str
    licence: str
    how_to_get: str

    def layer(self, name: str) -> LayerInfo:
        """The layer called ``name``: its own name, a word (``parts``), the notebook's
        ``inception_4c/output``, or the short ``4c``. Raises ``UsageError`` with the names there are."""
        wanted = self.words.get(name, name).removesuffix("/output")
        for layer in self.layers:
            if wanted in (
                layer.name,
                layer.name.removeprefix("inception_"),
                layer.name.removeprefix("inception"),
            ):
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise UsageError(f"unknown layer {name!r}; {self.name} has: {names} (or {', '.join(WORDS)})")

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
                    f"layer {text!r}: {number.strip()!r} is no weight; possible: 3b:0.3,4c:0.7 and the like"
                )
            found.append((self.layer(name.strip()), weight))
        total = sum(weight for _, weight in found)
        return tuple((layer, weight / total) for layer, weight in found)


def _layers(rows: str) -> tuple[LayerInfo, ...]:
    split = (row.split() for row in rows.strip().splitlines())
    return tuple(LayerInfo(name, int(channels), int(stride), word) for name, channels, stride, word in split)


_INCEPTION_ROWS = """
inception{0}3a 256 8 textures
inception{0}3b 480 8 textures
inception{0}4a 512 16 patterns
inception{0}4b 512 16 patterns
inception{0}4c 512 16 parts
inception{0}4d 528 16 parts
inception{0}4e 832 16 objects
inception{0}5a 832 32 objects
inception{0}5b 1024 32 objects
"""


def _inception_words(edges: str, separator: str) -> dict[str, str]:
    names = (f"inception{separator}{stage}" for stage in ("3b", "4a", "4c", "4e"))
    return dict(zip(WORDS, (edges, *names), strict=True))


NETWORKS: dict[str, NetworkInfo] = {
    info.name: info
    for info in (
        NetworkInfo(
            name="dreamnet",
            layers=_layers(
                """
                edges 192 4 edges
                textures 480 8 textures
                patterns 512 16 patterns
                parts 512 16 parts
                objects 832 16 objects
                """
            ),
            words={word: word for word in WORDS},
            weights_file="dreamnet.safetensors",
            origin="this project: distilled from BVLC GoogLeNet, see models/README.md",
            licence="MIT",
            how_to_get="it is shipped in models/; take that folder from the project again",
        ),
        NetworkInfo(
            name="bvlc_googlenet",
            layers=_layers("conv1 64 2 edges\nconv2 192 4 edges" + _INCEPTION_ROWS.format("_")),
            words=_inception_words("conv2", "_"),
            weights_file="bvlc_googlenet.npz",
            origin="Berkeley Vision and Learning Center, the network of google/deepdream",
            licence="released for unrestricted use",
            how_to_get="name the file with --weights, or copy it to models/bvlc_googlenet.npz",
        ),
        NetworkInfo(
            name="googlenet",
            layers=_layers("conv1 64 2 edges\nconv3 192 4 edges" + _INCEPTION_ROWS.format("")),
            words=_inception_words("conv3", ""),
            weights_file="googlenet-1378be20.pth",
            origin="torchvision, GoogLeNet_Weights.IMAGENET1K_V1",
            licence="BSD-3-Clause (torchvision)",
            how_to_get="torchvision downloads it where there is internet; elsewhere copy"
            " googlenet-1378be20.pth to models/, or name it with --weights",
        ),
    )
}


def network_info(name: str) -> NetworkInfo:
    """The table of a network. Raises ``UsageError`` with the names there are."""
    if name not in NETWORKS:
        raise UsageError(f"unknown network {name!r}; possible: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def _torch_hub_checkpoints() -> Path:
    """Where torchvision keeps what it downloaded (torch.hub's rule, without importing torch)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("TORCH_HOME") or Path(cache) / "torch") / "hub" / "checkpoints"


def find_weights(name: str, weights: Path | None = None) -> Path | None:
    """The weight file of a network: ``weights`` when given, else ``models/``, else torchvision's cache.

    None when it is nowhere. Raises ``NetworkError`` when ``weights`` is given and is no file.
    """
    info = network_info(name)
    if weights is not None:
        if not weights.is_file():
            raise NetworkError(f"weights {str(weights)!r} of {name}: no such file; {info.how_to_get}")
        return weights
    for folder in (MODELS_DIR, _torch_hub_checkpoints()):
        if (folder / info.weights_file).is_file():
            return folder / info.weights_file
    return None
