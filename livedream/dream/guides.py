"""Guide images: the dream is drawn to what another image shows.

Source: google/deepdream, dream.ipynb (``objective_guide``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from livedream.errors import UsageError
from livedream.frame import Image, resize, working_size
from livedream.networks.objective import Guide
from livedream.runtimes.base import Backend

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_POSSIBLE = f"an image, or a folder of images ({', '.join(_ENDINGS)})"
#: Longer side at which features are taken from a guide: as large as they are in a live frame.
GUIDE_PX = 256
_MOST_LISTED = 100
_MOST_KEPT = 24


def guide_images(path: str) -> tuple[str, ...]:
    """The images in a folder, or in the folder of an image, in order; empty when there are none."""
    place = Path(path)
    folder = place if place.is_dir() else place.parent
    try:
        found = sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in _ENDINGS)
    except OSError:
        return ()
    return tuple(str(entry) for entry in found[:_MOST_LISTED])


def load_guide(path: str) -> Image:
    """The guide image at ``path``, or the first in the folder ``path``: RGB uint8, 256 pixels long.

    Raises ``UsageError`` when there is none.
    """
    file = path
    if Path(path).is_dir():
        images = guide_images(path)
        if not images:
            raise UsageError(f"guide {path!r} is a folder without images; expected {_POSSIBLE}")
        file = images[0]
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise UsageError(f"guide {path!r}: {error.strerror or error}; expected {_POSSIBLE}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        image = None
    if image is None:
        raise UsageError(f"guide {file!r} is not an image, or is damaged; expected {_POSSIBLE}")
    height, width = image.shape[:2]
    small = resize(image, *working_size(width, height, GUIDE_PX))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


class Guides:
    """The guide images that are loaded, with ``load`` or before, and what each layer sees in them."""

    def __init__(self, load: Callable[[str], Image] = load_guide) -> None:
        self._load = load
        self._images: OrderedDict[str, Image] = OrderedDict()
        self._features: OrderedDict[tuple[str, str, str], Guide] = OrderedDict()

    def __contains__(self, path: str) -> bool:
        return path in self._images

    def add(self, path: str, image: Image) -> None:
        """Keep a loaded image under the path by which the settings name it."""
        self._images[path] = image
        _forget(self._images)

    def guide(self, path: str, network: str, layer: str, backend: Backend) -> Guide:
        """What the layer sees in the image; computed once.

        Raises ``UsageError`` if it cannot be loaded, and as ``backend.features`` does.
        """
        key = (path, network, layer)
        if key not in self._features:
            if path not in self:
                self.add(path, self._load(path))
            image = self._images[path].astype(np.float32) / 255
            self._features[key] = Guide(backend.features(image, layer))
            _forget(self._features)
        self._features.move_to_end(key)
        return self._features[key]


def _forget(kept: OrderedDict) -> None:  # type: ignore[type-arg]
    while len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
