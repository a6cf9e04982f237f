"""Makes the pictures of the documentation that show what the shipped network dreams live.

    python -m tests.bench.pictures --data DIR [--only NAME …]

``DIR`` holds the photographs and the video that they show: sky1024px.jpg, astronaut.png, chelsea.png and
webcam_signing.mp4, at any depth. Every tick dreams on the newest frame, 30 times a second.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from livedream.frame import Image, resize
from livedream.networks.catalogue import WORDS
from livedream.performance.scenes import SHIPPED_DIR, read_scene
from livedream.settings import Settings
from tests.bench.playing import ASTRONAUT, CHELSEA, CLOUDS, PERSON, SIGNING, SKY, Player, Take, save

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
_SCENE_SIZE, _THUMBNAIL = (960, 540), (640, 360)

#: scene -> what it is shown on, and how many seconds into it
SCENES = {
    "attract": (CLOUDS, 7.0),
    "cathedral": (SKY, 8.0),
    "eyes": (ASTRONAUT, 6.0),
    "fur": (CHELSEA, 6.0),
    "garden": (PERSON, 8.0),
    "ghost": (PERSON, 2.5),
    "ink": (PERSON, 8.0),
    "journey": (ASTRONAUT, 9.0),
    "medusa": (PERSON, 8.0),
    "menagerie": (SKY, 8.0),
    "only-you": (PERSON, 8.0),
    "patience": (PERSON, 3.0),
    "relief": (PERSON, 8.0),
    "twofold": (PERSON, 8.0),
    "web": (PERSON, 8.0),
    "window": (PERSON, 5.0),
    "zoom": (CLOUDS, 6.5),
}
#: On the right of its picture, this scene is as for a visitor who stands still.
_HALVED = "twofold"
_DIVES = ({"feedback": 1.0, "zoom": 8.0, "spin": 4.0}, {"feedback": 1.0, "zoom": 10.0, "layer": "objects"})
_DIVE_S = (1 / 3, 2.0, 4.0, 20 / 3, 8.0, 10.0)
_SHAPINGS = ("none", "smooth", "laplacian", "colour")


class Pictures:
    """One player for all of them; ``data`` is the folder of the photographs and the video."""

    def __init__(self, data: Path) -> None:
        self._player = Player(data)

    def scene(self, name: str) -> Image:
        """One shipped scene."""
        take, at_s = SCENES[name]
        (picture,) = self._player.pictures(take, name, [at_s], _SCENE_SIZE, visitors=True)
        if name == _HALVED:
            scene = read_scene(SHIPPED_DIR / f"{name}.toml")
            still = Settings(mirror=False, **{**scene.settings, **scene.moods["still"].settings})
            middle = _SCENE_SIZE[0] // 2
            picture[:, middle:] = self._dream(take, still, [at_s], _SCENE_SIZE)[0][:, middle:]
        return np.asarray(resize(picture, *_THUMBNAIL), np.uint8)

    def mirror(self) -> Image:
        """A visitor, and the same moment dreamt at each layer."""
        size = (450, 253)
        plain = Settings(strength=0.0)
        cells = self._dream(SIGNING, plain, [2.0], size)
        for layer in WORDS:
            cells += self._dream(SIGNING, plain.replace(layer=layer, strength=1.0), [2.0], size)
        return _table(cells, 3)

    def feedback(self) -> Image:
        """Two dives into clouds, from a third of a second to ten seconds long."""
        cells = [
            cell
            for changes in _DIVES
            for cell in self._dream(CLOUDS, Settings(**changes), _DIVE_S, (256, 144))
        ]
        return _table(cells, len(_DIVE_S))

    def shaping(self) -> Image:
        """Two photographs, each without a dream and with four shapings."""
        cells = []
        for take in (ASTRONAUT, SKY):
            cells += self._dream(take, Settings(strength=0.0), [0.0], (320, 180))
            for shaping in _SHAPINGS:
                cells += self._dream(take, Settings(gradient_shaping=shaping), [2.0], (320, 180))
        return _table(cells, 1 + len(_SHAPINGS))

    def _dream(
        self, take: Take, settings: Settings, at_s: Sequence[float], size: tuple[int, int]
    ) -> list[Image]:
        return self._player.pictures(take, settings, at_s, size)


def _table(cells: Sequence[Image], columns: int) -> Image:
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.vstack(rows)


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.pictures", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="DIR")
    p.add_argument("--out", type=Path, default=DOCS, metavar="DIR")
    p.add_argument("--only", nargs="+", metavar="NAME", help="some of them: mirror, dive, scenes/eyes…")
    options = p.parse_args()
    pictures = Pictures(options.data)
    makers: dict[str, Callable[[], Image]] = {
        "mirror": pictures.mirror,
        "dive": pictures.feedback,
        "shaping": pictures.shaping,
    } | {f"scenes/{name}": lambda name=name: pictures.scene(name) for name in SCENES}
    for name in options.only or makers:
        save(options.out / f"{name}.jpg", makers[name]())


if __name__ == "__main__":
    main()
