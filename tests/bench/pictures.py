"""Makes the pictures of the documentation that show what the shipped network dreams live.

    python -m tests.bench.pictures --data DIR [--only NAME …]

``DIR`` holds the photographs and the video that they show: sky1024px.jpg, astronaut.png, chelsea.png and
webcam_signing.mp4, at any depth. Every tick dreams on one frame of 30 a second, as the mirror does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.frame import Frame, Image, crop_to_aspect
from livedream.networks.catalogue import WORDS
from livedream.performance.scenes import SHIPPED_DIR, read_scene
from livedream.settings import Settings
from livedream.sources import open_source
from livedream.stage.composite import Composer
from livedream.vision.presence import PresenceDetector

DOCS = Path(__file__).parents[2] / "docs" / "pictures"
_FPS = 30.0
_QUALITY = 85
_SCENE_SIZE = (960, 540)

#: scene -> what it is shown on (a video with its first frame after an @), and how many ticks into it
SCENES = {
    "attract": ("clouds", 210),
    "cathedral": ("sky1024px.jpg", 150),
    "clouds": ("sky1024px.jpg", 150),
    "eyes": ("astronaut.png", 120),
    "fur": ("chelsea.png", 120),
    "garden": ("webcam_signing.mp4@0", 60),
    "ghost": ("webcam_signing.mp4@180", 60),
    "journey": ("astronaut.png", 400),
    "only-you": ("webcam_signing.mp4@0", 70),
    "zoom": ("clouds", 200),
}
#: Of a photograph, only the upper part: a visitor's face must be in it.
_ROWS = {"astronaut.png": 288}
_DIVES = ({"feedback": 1.0, "zoom": 8.0, "spin": 4.0}, {"feedback": 1.0, "zoom": 10.0, "layer": "objects"})
_DIVE_TICKS = (10, 60, 120, 200, 240, 300)
_SHAPINGS = ("none", "smooth", "laplacian", "colour")


class Pictures:
    """One dreamer for all of them; ``data`` is the folder of the photographs and the video."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._dreamer = Dreamer("dreamnet", backend="pytorch")

    def scene(self, name: str) -> Image:
        """One shipped scene."""
        source, ticks = SCENES[name]
        settings = Settings(**read_scene(SHIPPED_DIR / f"{name}.toml").settings)
        return self.dream(source, settings, [ticks], _SCENE_SIZE)[0]

    def clouds(self) -> Image:
        """What the mirror shows without a camera, after eight seconds."""
        return self.dream("clouds", Settings(), [240], _SCENE_SIZE)[0]

    def mirror(self) -> Image:
        """A visitor, and the same moment dreamt at each layer."""
        source, size = "webcam_signing.mp4@0", (450, 253)
        plain = Settings(strength=0.0)
        cells = self.dream(source, plain, [60], size)
        for layer in WORDS:
            cells += self.dream(source, plain.replace(layer=layer, strength=1.0), [60], size)
        return _table(cells, 3)

    def feedback(self) -> Image:
        """Two dives into clouds, from a third of a second to ten seconds long."""
        cells = [
            cell
            for changes in _DIVES
            for cell in self.dream("clouds", Settings(**changes), _DIVE_TICKS, (256, 144))
        ]
        return _table(cells, len(_DIVE_TICKS))

    def shaping(self) -> Image:
        """Two photographs, each without a dream and with four shapings."""
        cells = []
        for source in ("astronaut.png", "sky1024px.jpg"):
            cells += self.dream(source, Settings(strength=0.0), [1], (320, 180))
            for shaping in _SHAPINGS:
                cells += self.dream(source, Settings(gradient_shaping=shaping), [60], (320, 180))
        return _table(cells, 1 + len(_SHAPINGS))

    def dream(
        self, source: str, settings: Settings, ticks: Sequence[int], size: tuple[int, int]
    ) -> list[Image]:
        """The mirror's pictures, (width, height) large, after so many ``ticks`` on a source."""
        self._dreamer.reset()
        composer, presence, shown = Composer(), PresenceDetector(), []
        for n, frame in enumerate(islice(self._frames(source), ticks[-1]), start=1):
            image = crop_to_aspect(frame.image, size[0] / size[1])
            residual = self._dreamer.tick(image, settings, time_s=frame.time_s)
            composer.see(image, frame.index, None, frame.time_s)
            assert composer.grey is not None
            presence.see(composer.grey, frame.time_s)
            if n in ticks:
                picture = composer.compose(residual, frame.index, size, settings, presence=presence)
                assert picture is not None
                shown.append(picture)
        return shown

    def _frames(self, source: str) -> Iterator[Frame]:
        name, _, first = source.partition("@")
        if name != "clouds":
            found = next(self._data.rglob(name), None)
            if found is None:
                raise SystemExit(f"no {name} in {self._data}; --help names what is needed")
            name = str(found)
        with open_source(name, loop=False, realtime=False) as opened:
            if opened.kind == "photo":
                image = next(opened).image[: _ROWS.get(source)]
                yield from (Frame(image, n, n / _FPS) for n in count())
            yield from islice(opened, int(first or 0), None)


def _table(cells: Sequence[Image], columns: int) -> Image:
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.vstack(rows)


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.pictures", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="DIR")
    p.add_argument("--out", type=Path, default=DOCS, metavar="DIR")
    p.add_argument("--only", nargs="+", metavar="NAME", help="some of them: mirror, feedback, scenes/eyes…")
    options = p.parse_args()
    pictures = Pictures(options.data)
    makers: dict[str, Callable[[], Image]] = {
        "mirror": pictures.mirror,
        "clouds": pictures.clouds,
        "feedback": pictures.feedback,
        "gradient_shaping": pictures.shaping,
    } | {f"scenes/{name}": lambda name=name: pictures.scene(name) for name in SCENES}
    for name in options.only or makers:
        path = options.out / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        bgr = cv2.cvtColor(makers[name](), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(path), bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
