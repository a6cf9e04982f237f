"""Makes a network's table of words from pictures: see :mod:`livedream.networks.words`.

For each class, the pictures that look most like it to the classifier; the gradient of its logit by a layer's
activation there says which channels speak for the class, and which against it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from livedream.errors import SourceError
from livedream.files import replace_file
from livedream.frame import Array
from livedream.networks.catalogue import network_info
from livedream.networks.judge import SIDE_PX, Judge, mean_free
from livedream.networks.load import load_network
from livedream.networks.words import Vocabulary, vocabulary

#: Pictures of each class; more change little.
PER_CLASS = 3
#: As many pictures are looked at; of more, evenly chosen ones.
MOST_PICTURES = 4000
#: Fewer would leave most classes with the same pictures.
LEAST_PICTURES = 20
#: What is stored of each word: so many channels of a layer, those that matter most; and a probe of this rank.
CHANNELS, RANK = 128, 128
#: How much the probe is held back, against what it would learn by heart.
_RIDGE = 1e-3
_BATCH = 16
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}

Progress = Callable[[str], object]


@dataclass(frozen=True)
class Pictures:
    """``images`` RGB uint8 (N, 160, 160, 3), and the name of the ``folders`` (N) that each lies in."""

    images: Array
    folders: tuple[str, ...]

    def batch(self, which: Sequence[int]) -> torch.Tensor:
        """Some of them, float32 (B, 3, 160, 160) in [0, 1]."""
        images = torch.from_numpy(self.images[list(which)])
        return images.permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)


def read_pictures(folders: Sequence[Path]) -> Pictures:
    """The centred squares of the pictures in ``folders`` and below. Raises ``SourceError`` for too few."""
    paths = sorted(
        path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS
    )
    step = max(1, -(-len(paths) // MOST_PICTURES))
    squares, names = [], []
    for path in paths[::step]:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if image is not None:
            squares.append(_square(image))
            names.append(path.parent.name)
    if len(squares) < LEAST_PICTURES:
        asked = ", ".join(map(str, folders))
        raise SourceError(
            f"{len(squares)} pictures in {asked}; expected at least {LEAST_PICTURES} of many different things"
            f" ({' '.join(sorted(_ENDINGS))})"
        )
    return Pictures(np.stack(squares), tuple(names))


def _square(bgr: Array) -> Array:
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    how = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_CUBIC
    square = cv2.resize(bgr[top : top + side, left : left + side], (SIDE_PX, SIDE_PX), interpolation=how)
    return cv2.cvtColor(square, cv2.COLOR_BGR2RGB)


def make_table(network: str, folders: Sequence[Path], out: Path, progress: Progress = print) -> int:
    """Write the words of ``network``, from the pictures in ``folders``, to ``out``; returns their number.

    Raises as :class:`Judge` and
    :func:`read_pictures` do, and ``OutputError`` if it cannot be written.
    """
    judge = Judge(network)
    pictures = read_pictures(folders)
    logits, activities = look(network, judge, pictures, progress)
    rows = class_rows(judge, pictures, logits, progress)
    write_table(out, rows, activities, logits, pictures.folders)
    return len(pictures.folders)


def look(
    network: str, judge: Judge, pictures: Pictures, progress: Progress
) -> tuple[Array, dict[str, Array]]:
    """What the judge sees in all pictures, logits (N, 1000), and how active the network's layers are at
    them: the mean squared activation (N, C) of each that can have words."""
    own = None if network_info(network).provider != "livedream" else load_network(network)
    logits: list[Array] = []
    found: dict[str, list[Array]] = {layer: [] for layer in judge.layers}
    for at in range(0, len(pictures.folders), _BATCH):
        images = pictures.batch(range(at, min(at + _BATCH, len(pictures.folders))))
        seen, activities = judge.activities(images)
        logits.append(seen.numpy())
        for layer in judge.layers:
            activity = activities[layer]
            if own is not None:
                with torch.no_grad():
                    activity = own.truncate(layer)(images).float().square().mean((2, 3))
            found[layer].append(activity.numpy())
        progress(f"pictures {at * 100 // len(pictures.folders)} %")
    return np.concatenate(logits), {layer: np.concatenate(parts) for layer, parts in found.items()}


def class_rows(judge: Judge, pictures: Pictures, logits: Array, progress: Progress) -> dict[str, Array]:
    """How each channel of each layer speaks for each class, (1000, C), at the pictures most like it."""
    best = np.argsort(-(logits - logits.mean(1, keepdims=True)), 0)[:PER_CLASS].T
    rows: dict[str, Array] = {}
    pairs = sorted((int(n), number) for number, chosen in enumerate(best) for n in chosen)
    for at in range(0, len(pairs), _BATCH):
        which, classes = zip(*pairs[at : at + _BATCH], strict=True)
        _, gradients = judge.gradients(pictures.batch(which), mean_free(classes))
        for layer, gradient in gradients.items():
            found = rows.setdefault(layer, np.zeros((len(best), gradient.shape[1]), np.float32))
            np.add.at(found, list(classes), gradient.numpy() / PER_CLASS)
        progress(f"words {at * 100 // len(pairs)} %")
    return rows


def write_table(
    out: Path,
    rows: Mapping[str, Array],
    activities: Mapping[str, Array],
    logits: Array,
    folders: Sequence[str],
) -> None:
    """Write a table: ``rows`` (1000, C) of each layer, and how it tells what a picture shows.

    That is learnt from ``activities`` (N, C) and ``logits`` (N, 1000) of the same pictures, which lie in
    ``folders``. Families are the mean of their classes, or learnt from folders that the vocabulary names.
    """
    arrays: dict[str, Array] = {"layers": np.array(list(rows))}
    for layer, of_classes in rows.items():
        x = normalised(activities[layer])
        learnt = _shown(vocabulary(), x, folders)
        every = np.concatenate([of_classes, *(row[None] for row in learnt.values())])
        arrays["learnt"] = np.array(list(learnt), "U32")
        chosen = np.sort(np.argsort(-np.abs(every), 1)[:, :CHANNELS], 1)
        weights = np.take_along_axis(every, chosen, 1)
        weights /= np.maximum(np.abs(weights).max(1, keepdims=True), 1e-12)
        arrays[f"{layer}/channels"] = chosen.astype(np.uint16)
        arrays[f"{layer}/weights"] = np.round(127 * weights).astype(np.int8)
        for name, array in _probe(x, logits - logits.mean(1, keepdims=True)).items():
            arrays[f"{layer}/{name}"] = array
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    replace_file(out, file.getvalue())


def normalised(activity: Array) -> Array:
    """√activity, each row of norm 1: what a probe looks at. (N, C) both."""
    x = np.sqrt(np.maximum(np.asarray(activity, np.float32), 0))
    found: Array = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return found


def _shown(words: Vocabulary, x: Array, folders: Sequence[str]) -> dict[str, Array]:
    """Families that pictures show: how much more active each channel is there than elsewhere, (C,)."""
    found = {}
    for family, names in words.folders.items():
        there = np.isin(folders, names)
        if there.any() and not there.all() and not words.families[family]:
            found[family] = (x[there].mean(0) - x[~there].mean(0)) / (x.std(0) + 0.1 * x.std())
    return found


def _probe(x: Array, y: Array) -> dict[str, Array]:
    """Ridge regression of low rank from ``x`` (N, C) to ``y`` (N, 1000); int8, a scale for each column."""
    mean, bias = x.mean(0), y.mean(0)
    x = x - mean
    ridge = _RIDGE * float((x * x).sum())
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1], dtype=x.dtype), x.T @ (y - bias))
    _, _, main = np.linalg.svd(x @ weights, full_matrices=False)
    outward = main[:RANK]
    found = {"mean": mean.astype(np.float16), "bias": bias.astype(np.float16)}
    for name, array in (("inward", weights @ outward.T), ("outward", outward)):
        scale = np.abs(array).max(0, keepdims=True) / 127 + 1e-12
        found |= {name: np.round(array / scale).astype(np.int8), f"{name}/scale": scale.astype(np.float32)}
    return found
