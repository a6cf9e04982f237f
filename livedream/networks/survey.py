"""Finds the dream-worthy layers of torchvision's classifiers that the catalogue has no table for, by tracing.

``python -m livedream.networks.survey`` rewrites ``classifiers.json``, for a new torchvision. A layer is
dream-worthy when everything passes through it, after an activation or where branches join; of many with one
stride, a few at equal distances are kept.
"""

from __future__ import annotations

import json
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from livedream.networks.architectures.classifier import build
from livedream.networks.architectures.truncation import TruncatableModel, bottlenecks, function_of
from livedream.networks.catalogue import NETWORKS, TRANSFORMERS, WORDS

Layer = tuple[str, int, int]  # name, channels, stride in pixels

#: Larger networks can neither dream live nor be read from a file.
_MOST_MEGABYTES = 2000
#: Large enough for every network, and wider than high, so that an activation's shape reveals its stride.
_HEIGHT, _WIDTH = 128, 192
_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU)
#: ``cat`` joins branches, and so does the ``view`` that shuffles them after that in ShuffleNet.
_ACTIVATED = ("relu", "cat", "view")


def survey(name: str) -> list[Layer]:
    """The dream-worthy layers of a classifier: name, channels, stride in pixels; from the bottom up."""
    graph = TruncatableModel(build(name))
    names = _names(graph)
    points = [node for node in bottlenecks(graph.nodes) if node in names]
    with torch.no_grad():
        values = graph.cut_at(*points)(torch.zeros(1, 3, _HEIGHT, _WIDTH))
    activated, joined = [], []
    for node, value, (_, after) in zip(points, values, pairwise([*points, None]), strict=True):
        grown = value.shape[-1] - value.shape[-2] if value.dim() == 4 else 0
        module = graph.module_of(node)
        is_normalised_next = after is not None and isinstance(graph.module_of(after), nn.BatchNorm2d)
        is_last_norm = after is None and isinstance(module, nn.BatchNorm2d)
        if grown <= 0 or is_normalised_next:
            continue
        layer = (names[node], value.shape[1], (_WIDTH - _HEIGHT) // grown)
        if isinstance(module, _ACTIVATIONS) or function_of(node) in _ACTIVATED or is_last_norm:
            activated.append(layer)
        elif function_of(node) == "add":
            joined.append(layer)
    layers = activated if len(activated) >= len(WORDS) else joined
    # A layer that squeezes what the one before it had says less.
    layers = [layer for before, layer in pairwise([("", 0, 0), *layers]) if 2 * layer[1] >= before[1]]
    thinned = (_thinned(list(group)) for _, group in groupby(layers, key=lambda layer: max(4, layer[2])))
    return list(chain.from_iterable(thinned))


def table(layers: list[Layer]) -> str:
    """The layers as in ``catalogue.toml``, with their words."""
    words = _words([stride for _, _, stride in layers])
    stars = {len(words) - 1 - words[::-1].index(word) for word in WORDS[:2]}
    stars |= {words.index(word) + words.count(word) // 2 for word in WORDS[2:]}
    rows = zip(layers, words, strict=True)
    return "\n".join(
        f"{name} {channels} {stride} {word}{'*' if n in stars else ''}"
        for n, ((name, channels, stride), word) in enumerate(rows)
    )


def _words(strides: list[int]) -> list[str]:
    """What layers see: by stride where the network has the usual ones, else by depth."""
    if {8, 16, 32} <= set(strides) and strides.count(16) > 1:
        by_stride = {8: "textures", 16: "patterns", 32: "objects"}
        words = [by_stride.get(stride, "edges") for stride in strides]
        first = words.index("patterns") + words.count("patterns") // 2
        return ["parts" if word == "patterns" and n >= first else word for n, word in enumerate(words)]
    return [WORDS[n * len(WORDS) // len(strides)] for n in range(len(strides))]


def _thinned(layers: list[Layer]) -> list[Layer]:
    """A few of the layers with one stride, at equal distances and including the last."""
    most = 4 if layers[0][2] == 16 else 3
    if len(layers) <= most:
        return layers
    return [layers[round((n + 1) * len(layers) / most) - 1] for n in range(most)]


def _names(graph: TruncatableModel) -> dict[fx.Node, str]:
    """One name for each module's result: the shortest with a dot, since the others name whole stages."""
    names: dict[fx.Node, str] = {}
    for name, node in graph.results.items():
        before = names.get(node)
        if before is None or ("." not in name, len(name)) < ("." not in before, len(before)):
            names[node] = name
    return names


def _facts(name: str) -> dict[str, Any]:
    from torchvision import models

    weights = next(iter(models.get_model_weights(name)))
    preset, facts = weights.transforms(), {"weights_file": weights.url.rpartition("/")[2]}
    facts["origin"] = f"torchvision {weights}"
    if "license" in weights.meta:
        facts["licence"] = weights.meta["license"]
    if min(weights.meta["min_size"]) > 48:
        facts["smallest_px"] = max(weights.meta["min_size"])
    if tuple(preset.mean) != (0.485, 0.456, 0.406):
        facts |= {"mean": preset.mean, "std": preset.std}
    return facts | {"layers": table(survey(name))}


def _fits(name: str) -> bool:
    from torchvision import models

    return bool(next(iter(models.get_model_weights(name))).meta["_file_size"] < _MOST_MEGABYTES)


def main() -> None:
    from torchvision import models

    names = [name for name in models.list_models(module=models) if not name.startswith(TRANSFORMERS)]
    found = {name: _facts(name) for name in names if name not in NETWORKS and _fits(name)}
    path = Path(__file__).with_name("classifiers.json")
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
