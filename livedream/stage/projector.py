"""Gives a projector its picture on the processor: test pattern, tones, blended edges, corners and mesh.

What is not used costs nothing: docs/measurements.md has the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livedream.frame import Array, Image
from livedream.stage.composite import picture_size
from livedream.stage.patterns import draw_pattern
from livedream.stage.projection import Projection
from livedream.stage.scene import Size

#: 1/32 of a pixel is as finely as OpenCV looks up; in this form it does so fastest.
_MAP = cv2.CV_16SC2


@dataclass(frozen=True)
class _Tables:
    """What is made once for one projection of pictures of one size.

    ``levels`` (256,) is what becomes of each level; ``weights`` and ``lift`` are of the picture's shape, the
    map of the screen's.
    """

    levels: Array | None
    weights: Image | None
    lift: Image | None
    map: tuple[Array, Array] | None


class Projector:
    """Projects pictures as :attr:`projection` says. It keeps its tables and its memory."""

    def __init__(self) -> None:
        self.projection = Projection()
        self._made_for: tuple[Projection, Size, Size] | None = None
        self._tables = _Tables(None, None, None, None)
        self._pattern: tuple[str, Size, Image] | None = None
        self._memory: dict[str, Image] = {}

    def project(self, picture: Image, size: Size) -> Image:
        """What a screen of ``size`` (w, h), upright, is to show of ``picture``, RGB uint8 (H, W, 3).

        It is the picture itself, or its like, to be shown as large as fits; or the whole screen where corners
        or a mesh are set. Valid until the next call.
        """
        projection = self.projection
        if projection.pattern != "off":
            picture = self.pattern(size)
        if not (projection.warps or projection.blends or projection.tones):
            return picture
        key = (projection, (picture.shape[1], picture.shape[0]), size)
        if key != self._made_for:
            self._tables, self._made_for = _tables(*key), key
        tables = self._tables
        if tables.levels is not None:
            picture = _image(cv2.LUT(picture, tables.levels, dst=self._room("tones", picture.shape)))
        if tables.weights is not None:
            room = self._room("blend", picture.shape)
            picture = _image(cv2.multiply(picture, tables.weights, dst=room, scale=1 / 255))
        if tables.lift is not None:
            picture = _image(cv2.add(picture, tables.lift, dst=picture))
        if tables.map is not None:
            room = self._room("warp", (size[1], size[0], 3))
            picture = _image(cv2.remap(picture, *tables.map, cv2.INTER_LINEAR, dst=room))
        return picture

    def pattern(self, size: Size) -> Image:
        """The test pattern for a screen of ``size`` (w, h): the same array until one of them changes."""
        wanted = self.projection.pattern
        if self._pattern is None or self._pattern[:2] != (wanted, size):
            self._pattern = wanted, size, draw_pattern(wanted, size)
        return self._pattern[2]

    def _room(self, name: str, shape: tuple[int, ...]) -> Image:
        if name not in self._memory or self._memory[name].shape != shape:
            self._memory[name] = np.empty(shape, np.uint8)
        return self._memory[name]


def _image(array: Array) -> Image:
    return np.asarray(array, np.uint8)


def _tables(projection: Projection, picture: Size, size: Size) -> _Tables:
    box = picture_box(picture, size)
    levels = weights = lift = maps = None
    black = projection.black
    if projection.tones:
        curve = projection.curve()
        if not projection.blends:
            curve = black + (1 - black) * curve
        levels = np.rint(255 * curve).astype(np.uint8)
    if projection.blends:
        x = box[0] + box[2] * (np.arange(picture[0], dtype=np.float32) + 0.5) / picture[0]
        y = box[1] + box[3] * (np.arange(picture[1], dtype=np.float32) + 0.5) / picture[1]
        bright = projection.weights(x, y)
        raised = np.where(bright < 1, np.float32(0), np.float32(black))
        weights = _image(np.rint(255 * bright * (1 - raised)))
        weights = _image(cv2.merge([weights] * 3))
        if black:
            lift = _image(cv2.merge([_image(np.rint(255 * raised))] * 3))
    if projection.warps:
        at = projection.sources(size)
        at -= np.array(box[:2], np.float32)
        at *= np.array((picture[0] / box[2], picture[1] / box[3]), np.float32)
        at -= np.float32(0.5)
        maps = cv2.convertMaps(at[..., 0], at[..., 1], _MAP)
    return _Tables(levels, weights, lift, maps)


def picture_box(picture: Size, size: Size) -> tuple[float, float, float, float]:
    """Where a picture lies in an area of ``size``, as large as fits: x, y, width and height, each 0 to 1."""
    width, height = fitted_size(picture, size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left / size[0], top / size[1], width / size[0], height / size[1]


def fitted_size(visible: Size, area: Size) -> Size:
    """The size of a picture in an area; one that nearly fills it does so, without a black line."""
    width, height = (
        full if full - part < 2 else part
        for part, full in zip(picture_size(visible, area), area, strict=True)
    )
    return width, height
