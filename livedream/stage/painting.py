"""Paints a scene at full resolution on the processor, in as few passes as possible.

    picture = keep · camera + layer

The mix and the mask are evaluated at working size, mirroring happens before anything is enlarged, and the
enlarged camera frame is kept while only the dream is new.
"""

from __future__ import annotations

import sys

import cv2
import numpy as np

from livedream.frame import Array, Image
from livedream.stage.contours import bend, bent, grid_scale
from livedream.stage.ink import toned
from livedream.stage.scene import Scene, Size

#: Unsharp mask applied before upscaling: radius in working-size pixels, and amount. Half of it looks soft on
#: a large wall, twice as much gritty.
SHARPEN_PX, SHARPEN = 1.0, 0.8
#: Camera weights below this are not worth a pass over the full-resolution frame.
_NEGLIGIBLE = 1 / 512
#: References to a buffer that only the painter's list holds, while it is looked at.
_UNHELD = 3
_MOST_BUFFERS = 8


def lay_over(
    image: Image, layer: Array | None, size: Size, keep: Array | None = None, *, mirror: bool = False
) -> Image:
    """``keep · image + layer`` at ``size`` (w, h), clipped to 0..255, as RGB uint8.

    ``layer`` (h, w, 3) in grey levels and ``keep`` (h, w) in 0..1 are upscaled bicubically, after the layer
    was lightly sharpened and both were bent along its contours. None means a layer of 0 and a weight of 1.
    ``mirror`` swaps left and right.
    """
    return Painter().paint(image, layer, size, keep, mirror=mirror)


class Painter:
    """Paints scenes. It keeps its memory, and the enlarged camera frame for the next picture.

    Fresh memory costs a page fault for every 4 KB, a tenth of the time of a picture; what somebody else still
    holds is left alone.
    """

    def __init__(self) -> None:
        self._camera: tuple[Image, Size, bool, Image] | None = None  # the frame, size, mirrored; enlarged
        self._buffers: list[Image] = []

    def __call__(self, scene: Scene) -> Image:
        """The picture of a scene, RGB uint8 (H, W, 3)."""
        layer, keep = (None, None) if scene.dream is None else scene.dream.layer()
        picture = self.paint(scene.image, layer, scene.size, keep, mirror=scene.mirror)
        ink = 0.0 if scene.dream is None else scene.dream.ink
        return toned(picture, ink) if ink > 0 else picture

    def paint(
        self,
        image: Image,
        layer: Array | None,
        size: Size,
        keep: Array | None = None,
        *,
        mirror: bool = False,
    ) -> Image:
        """As :func:`lay_over`."""
        if layer is None:
            return self._enlarged(image, size, mirror)
        sharp = sharpened(layer)
        small, step, low = quantised(sharp)
        weight = _weight(keep)
        scale = grid_scale(layer.shape[1], size[0])
        if scale:
            small, weight = bent(small, weight, bend(sharp, scale), scale)
        if mirror:
            small = np.asarray(cv2.flip(small, 1), np.uint8)
        large = cv2.resize(small, size, dst=self._buffer(size), interpolation=cv2.INTER_CUBIC)
        if keep is not None and float(keep.max()) <= _NEGLIGIBLE:
            levels = np.clip(np.rint(np.arange(256) * step + low), 0, 255).astype(np.uint8)
            return np.asarray(cv2.LUT(large, levels, dst=self._buffer(size)), np.uint8)
        camera = self._enlarged(image, size, mirror)
        if weight is not None:
            seen = cv2.flip(weight, 1) if mirror else weight
            seen = cv2.resize(seen, size, interpolation=cv2.INTER_CUBIC)
            weights = cv2.merge([seen] * 3, dst=self._buffer(size))
            weighted = cv2.multiply(camera, weights, dst=self._buffer(size), scale=1 / 255)
            camera = np.asarray(weighted, np.uint8)
        return np.asarray(cv2.addWeighted(camera, 1.0, large, step, low, dst=self._buffer(size)), np.uint8)

    def _enlarged(self, image: Image, size: Size, mirror: bool) -> Image:
        """``image`` at ``size`` (w, h), mirrored where there are fewer pixels to swap."""
        kept = self._camera
        if kept is not None and kept[0] is image and kept[1:3] == (size, mirror):
            return kept[3]
        self._camera = kept = None  # its memory is free now
        seen, turned = image, mirror
        if mirror and image.shape[0] * image.shape[1] < size[0] * size[1]:
            seen, turned = np.asarray(cv2.flip(image, 1), np.uint8), False
        if seen.shape[1::-1] != size:
            grows = seen.shape[1] <= size[0] and seen.shape[0] <= size[1]
            how = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
            seen = np.asarray(cv2.resize(seen, size, dst=self._buffer(size), interpolation=how), np.uint8)
        if turned:
            seen = np.asarray(cv2.flip(seen, 1, dst=self._buffer(size)), np.uint8)
        seen = np.ascontiguousarray(seen)
        self._camera = image, size, mirror, seen
        return seen

    def _buffer(self, size: Size) -> Image:
        """Memory for an image of ``size`` (w, h) that nobody else holds."""
        shape = (size[1], size[0], 3)
        self._buffers = [buffer for buffer in self._buffers if buffer.shape == shape]
        for buffer in self._buffers:
            # The list, the loop and the call itself refer to it; a picture, a view or a queue would, too.
            if sys.getrefcount(buffer) <= _UNHELD:
                return buffer
        buffer = np.empty(shape, np.uint8)
        self._buffers = [*self._buffers[-_MOST_BUFFERS + 1 :], buffer]
        return buffer


def _weight(keep: Array | None) -> Image | None:
    """The camera's weight as uint8, None where it is everywhere the same: 0 or 1."""
    if keep is None or float(keep.max()) <= _NEGLIGIBLE or float(keep.min()) >= 1 - _NEGLIGIBLE:
        return None
    return np.asarray(cv2.convertScaleAbs(keep, alpha=255), np.uint8)


def sharpened(layer: Array) -> Array:
    """A layer, lightly sharpened, within ±255 levels."""
    sharp = cv2.addWeighted(layer, 1 + SHARPEN, cv2.GaussianBlur(layer, (5, 5), SHARPEN_PX), -SHARPEN, 0)
    return np.clip(sharp, np.float32(-255), np.float32(255), out=sharp)


def quantised(layer: Array) -> tuple[Image, float, float]:
    """A layer as uint8 ``small`` with ``layer = step · small + low``.

    Upscaling and adding uint8 takes half the time of float32. The rounding error is at most half a level per
    255 levels of the layer's range.
    """
    low, high, _, _ = cv2.minMaxLoc(layer.reshape(1, -1))
    step = max(1.0, (high - low) / 255)
    return np.asarray(cv2.convertScaleAbs(layer, alpha=1 / step, beta=-low / step), np.uint8), step, low
