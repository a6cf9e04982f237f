"""Makes the gallery: the best of the scenes at 1920 × 1080, and the page that shows them.

    python -m tests.bench.gallery --data DIR [--only NAME …]

``DIR`` holds chelsea.png and webcam_signing.mp4, at any depth.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from tests.bench.playing import CHELSEA, CLOUDS, PERSON, Player, Take, save

DOCS = Path(__file__).parents[2] / "docs"
SIZE = (1920, 1080)
_QUALITY = 80
#: A larger image than the usual one, whose forms are crisper on a wall.
_WORKING_PX = 480
_HEAD = """# Gallery

What a wall of 1920 × 1080 pixels shows, dreamt live by the shipped `dreamnet` at 480 pixels.
[scenes.md](scenes.md) has all scenes. This page is made by `python -m tests.bench.gallery --data DIR`.
"""
_CREDITS = {
    "webcam_signing.mp4": "Video: people signing, from intel-iot-devkit/sample-videos, CC BY 4.0.",
    "chelsea.png": "Photograph: chelsea, CC0.",
    "clouds": "The mirror's own clouds.",
}


@dataclass(frozen=True)
class Plate:
    """A picture of the gallery: ``scene`` after ``at_s`` seconds on ``take``, and what is seen."""

    name: str
    scene: str
    take: Take
    at_s: float
    seen: str

    @property
    def text(self) -> str:
        """Its part of the page."""
        return (
            f"\n![{self.seen}](pictures/gallery/{self.name}.jpg)\n\n"
            f"*{self.seen}: `--scene {self.scene}` after {self.at_s:g} s. {_CREDITS[self.take.name]}*\n"
        )


PLATES = (
    Plate("medusa", "medusa", PERSON, 8.0, "A woman signing, with snakes for hair and sleeves"),
    Plate("window", "window", PERSON, 3.5, "A woman's outline, behind which animals fall towards us"),
    Plate("menagerie", "menagerie", PERSON, 8.0, "A woman with the head of a dog, and a bear in her arms"),
    Plate("ink", "ink", PERSON, 8.0, "A drawing of the same woman on paper"),
    Plate("clouds", "menagerie", CLOUDS, 10.0, "Clouds that have become animals"),
    Plate("garden", "garden", PERSON, 8.0, "A woman among flowers as large as herself"),
    Plate("zoom", "zoom", CLOUDS, 9.0, "A dive into clouds"),
    Plate("fur", "fur", CHELSEA, 8.0, "A cat with more fur than it has"),
)


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.gallery", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="DIR")
    p.add_argument("--out", type=Path, default=DOCS, metavar="DIR")
    p.add_argument("--only", nargs="+", metavar="NAME", help="some of them; the page shows all")
    options = p.parse_args()
    player = Player(options.data, working_px=_WORKING_PX)
    for plate in PLATES:
        if options.only is None or plate.name in options.only:
            (picture,) = player.pictures(plate.take, plate.scene, [plate.at_s], SIZE, visitors=True)
            save(options.out / "pictures" / "gallery" / f"{plate.name}.jpg", picture, _QUALITY)
    (options.out / "gallery.md").write_text(_HEAD + "".join(plate.text for plate in PLATES))


if __name__ == "__main__":
    main()
