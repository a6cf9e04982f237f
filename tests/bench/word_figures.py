"""How often a dream of a word is recognised: ``python -m tests.bench.word_figures --data DIR``.

Words chosen by a fixed seed are dreamt on the photographs of the shared data folder, for 60 ticks at 320 px.
BVLC GoogLeNet then says what the picture shows: the mean of its probabilities for the squares at the left,
in the middle and at the right. With ``--families`` all families, which count when no other has a larger sum,
but for those that contain it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet, load
from livedream.networks.words import vocabulary
from livedream.settings import Settings

PHOTOS = ("sky1024px.jpg", "astronaut.png", "coffee.png", "chelsea.png", "flowers.jpg")
TICKS = 60


def main() -> None:
    """Print the rank of each word on each photograph, and the shares of the first and of the first five."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--layer", default="objects")
    parser.add_argument("--words", type=int, default=100, help="how many of the 1000 (100)")
    parser.add_argument("--photos", type=int, default=len(PHOTOS))
    parser.add_argument("--families", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    judge = load(options.data / "weights" / "bvlc_googlenet.npz")
    dreamer = Dreamer("dreamnet", device="cpu", threads=1)
    photos = [_photo(options.data / "photo" / name) for name in PHOTOS[: options.photos]]
    found = vocabulary()
    if options.families:
        names = [name for name, classes in found.families.items() if classes]
    else:
        numbers = np.random.default_rng(12).choice(1000, 100, replace=False)[: options.words]
        names = [found.words[n] for n in numbers]
    ranks = []
    for name in names:
        settings = Settings(layer=options.layer, dream_of=name, working_px=320)
        row = []
        for photo in photos:
            dreamer.reset()
            for _ in range(TICKS):
                dreamt = dreamer(photo, settings)
            row.append(_rank(name, _seen(judge, dreamt)))
        ranks.append(row)
        print(name, *row, flush=True)  # noqa: T201
    top = {n: float((np.array(ranks) <= n).mean()) for n in (1, 5)}
    print(f"{options.layer}: first {top[1]:.2f}, first five {top[5]:.2f} of {np.size(ranks)}")  # noqa: T201


def _photo(path: Path) -> Image:
    bgr = cv2.imread(str(path))
    assert bgr is not None, path
    height = round(320 * bgr.shape[0] / bgr.shape[1])
    small = cv2.resize(bgr, (320, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


def _seen(judge: BvlcGoogLeNet, image: Image) -> Array:
    """The probabilities of the 1000 classes."""
    height, width = image.shape[:2]
    side = min(height, width)
    squares = [
        image[(height - side) * n // 2 :, (width - side) * n // 2 :][:side, :side]
        for n in ((0, 1, 2) if height != width else (1,))
    ]
    resized = np.stack([cv2.resize(square, (224, 224), interpolation=cv2.INTER_CUBIC) for square in squares])
    with torch.no_grad():
        logits = judge.classify(torch.from_numpy(resized).permute(0, 3, 1, 2).float() / 255)
    found: Array = torch.softmax(logits, 1).mean(0).numpy()
    return found


def _rank(name: str, seen: Array) -> int:
    families = {family: set(classes) for family, classes in vocabulary().families.items() if classes}
    if name not in families:
        return 1 + int((seen > seen[vocabulary().words.index(name)]).sum())
    own = float(seen[list(families[name])].sum())
    others = [classes for classes in families.values() if not classes >= families[name]]
    return 1 + sum(float(seen[list(classes)].sum()) > own for classes in others)


if __name__ == "__main__":
    main()
