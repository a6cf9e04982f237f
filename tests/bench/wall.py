"""A dream on a large wall: the ways to enlarge it, beside each other at 100 %, and figures of them.

``python -m tests.bench.wall DIR OUT`` dreams on the photographs in DIR (their names are below) at 320 pixels,
enlarges them to pictures 1920 pixels wide, and writes crops of these. It prints for each way

* *luminance* and *chroma*: the rms of what the dream adds, in levels;
* *grain* and *confetti*: the same of what a Gaussian of a working pixel takes off, dots and coloured noise;
* *over*: by how much a hundredth of the luminance leaves the range of its surroundings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image, resize
from livedream.settings import Settings
from livedream.sources import open_source
from livedream.stage.colours import CHROMA, LUMA
from livedream.stage.composite import Composer

WIDTH, TICKS, CROP = 1920, 90, (300, 220)
#: Photographs, and where to crop the pictures.
PHOTOS = {"chelsea.png": (1340, 820), "astronaut.png": (1270, 580), "coffee.png": (1480, 70)}


def plainly(interpolation: int, sharpen: float = 0.0) -> Callable[[Image, Array, tuple[int, int]], Image]:
    """Enlarged in one go, after unsharp masking."""

    def way(frame: Image, residual: Array, size: tuple[int, int]) -> Image:
        sharp = residual + np.float32(sharpen) * (residual - cv2.GaussianBlur(residual, (5, 5), 1.0))
        large = cv2.resize(sharp, size, interpolation=interpolation)
        return np.asarray(np.clip(resize(frame, *size) + large, 0, 255), np.uint8)

    return way


def guided(frame: Image, residual: Array, size: tuple[int, int]) -> Image:
    """The residual as a linear function of the camera's luminance, by place, at full size."""
    camera = resize(frame, *size)
    guide = cv2.transform(camera.astype(np.float32), LUMA[None])
    small = resize(guide, residual.shape[1], residual.shape[0])

    def mean(array: Array) -> Array:
        return cv2.blur(array, (5, 5))

    spread = mean(small * small) - mean(small) ** 2 + 60
    slope = (mean(small[..., None] * residual) - mean(small)[..., None] * mean(residual)) / spread[..., None]
    detail = guide - cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    large = cv2.resize(residual, size, interpolation=cv2.INTER_CUBIC)
    large += cv2.resize(slope, size, interpolation=cv2.INTER_CUBIC) * detail[..., None]
    return np.clip(camera + large, 0, 255).astype(np.uint8)


def composed(restraint: float) -> Callable[[Image, Array, tuple[int, int]], Image]:
    """As the mirror does it."""

    def way(frame: Image, residual: Array, size: tuple[int, int]) -> Image:
        composer = Composer()
        composer.see(frame, 0, None, 0.0)
        settings = Settings(mirror=False, restraint=restraint)
        picture = composer.compose(residual, 0, size, settings)
        assert picture is not None
        return picture

    return way


WAYS = {
    "bilinear": plainly(cv2.INTER_LINEAR),
    "sharpened, bicubic": plainly(cv2.INTER_CUBIC, 0.5),
    "guided": guided,
    "now, restraint 0": composed(0.0),
    "now": composed(Settings().restraint),
}


def figures(picture: Image, camera: Image, scale: float) -> dict[str, float]:
    """What the head of this file explains; ``scale`` is that of a working pixel."""
    added = picture.astype(np.float32) - camera
    luminance, chroma = cv2.transform(added, LUMA[None]), cv2.transform(added, CHROMA)
    around = np.ones((2 * round(scale) + 1,) * 2, np.uint8)
    smooth = cv2.GaussianBlur(luminance, (0, 0), scale / 2)
    over = np.maximum(luminance - cv2.dilate(smooth, around), cv2.erode(smooth, around) - luminance)

    def rms(array: Array) -> float:
        return float(np.sqrt((array**2).mean()))

    return {
        "luminance": rms(luminance),
        "grain": rms(luminance - cv2.GaussianBlur(luminance, (0, 0), scale)),
        "over": float(np.quantile(over, 0.99)),
        "chroma": rms(chroma),
        "confetti": rms(chroma - cv2.GaussianBlur(chroma, (0, 0), scale)),
    }


def crops(photo: Path, x: int, y: int) -> Image:
    """A crop for each way, side by side; prints the figures."""
    with open_source(str(photo)) as source:
        frame = next(source).image
    size = WIDTH, 2 * round(WIDTH * frame.shape[0] / frame.shape[1] / 2)
    dreamer = Dreamer()
    for n in range(TICKS):
        residual = dreamer.tick(frame, Settings(), time_s=n / 30)
    found = []
    for name, way in WAYS.items():
        picture = way(frame, residual.copy(), size)
        row = figures(picture, resize(frame, *size), WIDTH / residual.shape[1])
        words = "".join(f" {key} {value:5.1f}" for key, value in row.items())
        sys.stdout.write(f"{photo.stem:10} {name:20}{words}\n")
        found.append(picture[y : y + CROP[1], x : x + CROP[0]])
    return np.hstack(found)


def main() -> int:
    """Dream, write and print."""
    parser = argparse.ArgumentParser("python -m tests.bench.wall", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    sheet = np.vstack([crops(options.photos / name, *place) for name, place in PHOTOS.items()])
    cv2.imwrite(str(options.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return 0


if __name__ == "__main__":
    sys.exit(main())
