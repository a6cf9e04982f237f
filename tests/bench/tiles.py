"""Makes the small pictures of the control page: scenes, and what each layer makes of one photograph.

    python -m tests.bench.tiles [--weights NETWORK=FILE …]

Scenes are those of docs/pictures/scenes, smaller; layers are dreamt on the shipped photograph, those of other
networks than the shipped one if their weights are named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from livedream import Dreamer
from livedream.frame import Image, resize
from livedream.networks.catalogue import network_info
from livedream.settings import Settings

ROOT = Path(__file__).parents[2]
TILES = ROOT / "livedream" / "web" / "static" / "tiles"
_SCENE, _LAYER = (224, 126), (150, 100)
_QUALITY, _TICKS = 68, 60


def save_tile(path: Path, image: Image, size: tuple[int, int]) -> None:
    """Save a small JPEG; its folder is created."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = cv2.cvtColor(resize(image, *size), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def read(path: Path) -> Image:
    """A picture as RGB."""
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", nargs="*", default=[], metavar="NETWORK=FILE")
    weights = dict(word.split("=", 1) for word in parser.parse_args().weights)
    for path in sorted((ROOT / "docs" / "pictures" / "scenes").glob("*.jpg")):
        save_tile(TILES / "scenes" / path.name, read(path), _SCENE)
    photograph = resize(read(ROOT / "models" / "photograph.jpg"), 480, 320)
    for network in ("dreamnet", *weights):
        dreamer = Dreamer(network, weights=weights.get(network))
        for layer in network_info(network).layers:
            settings = Settings(network=network, layer=layer.name, working_px=320, steps=3, strength=1.2)
            for _ in range(_TICKS):
                dreamt = dreamer(photograph, settings)
            save_tile(TILES / "layers" / network / f"{layer.name}.jpg", dreamt, _LAYER)


if __name__ == "__main__":
    main()
