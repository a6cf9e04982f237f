"""Photos: the same frame over and over, like a camera in front of which nothing moves."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import cv2
import numpy as np

from livedream.errors import SourceError, quoted
from livedream.frame import Array, Frame, Image
from livedream.sources.source import Clock, Metronome, Sleep, Source, fitted, public_name, slot_size

PHOTO_FPS = 30.0
_KINDS = "png, jpeg, webp, bmp, tiff"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Photo(Source):
    """An image file, rotated as its EXIF data say; repeated forever with ``loop``, else delivered once.

    ``realtime`` keeps to 30 fps; otherwise frames come as fast as they are read, stamped index / 30.
    Raises ``SourceError``.
    """

    kind = "photo"
    fps = PHOTO_FPS
    frame_count = 1

    def __init__(
        self,
        path: str,
        *,
        loop: bool = True,
        realtime: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.name = public_name(path)
        self._image: Image | None = load_photo(path)
        self.size = (self._image.shape[1], self._image.shape[0])
        self._loop = loop
        self._index = 0
        self._metronome = Metronome(PHOTO_FPS, clock, sleep) if realtime else None

    def __next__(self) -> Frame:
        if self._image is None or (self._index and not self._loop):
            raise StopIteration
        time_s = self._metronome.wait() if self._metronome else self._index / PHOTO_FPS
        frame = Frame(self._image, self._index, time_s)
        self._index += 1
        return frame

    def close(self) -> None:
        self._image = None


def is_photo(path: str) -> bool:
    """Whether a file holds a still image, judged by its content; an animated GIF or PNG is a video."""
    from PIL import Image as pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)
            with open(path, "rb") as stream, pillow.open(stream) as file:
                return not (file.format in ("GIF", "PNG") and getattr(file, "is_animated", False))
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError):
        return Path(path).suffix.lower() in _SUFFIXES  # damaged, or unknown to Pillow


def load_photo(path: str) -> Image:
    """The image in a file as RGB uint8 (H, W, 3), upright, over black where it is transparent.

    Grey, palette, CMYK and 16-bit images are converted. Raises ``SourceError``.
    """
    from PIL import Image as pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pillow.DecompressionBombWarning)  # large images are fine
            with open(path, "rb") as stream, pillow.open(stream) as file:
                opened = ImageOps.exif_transpose(file)
                if opened.mode.startswith(("I", "F")):
                    image = _eight_bit(np.asarray(opened))
                elif opened.has_transparency_data:
                    opened = opened.convert("RGBA")
                    black = pillow.new("RGBA", opened.size, (0, 0, 0, 255))
                    image = np.asarray(pillow.alpha_composite(black, opened).convert("RGB"))
                else:
                    image = np.asarray(opened.convert("RGB"))
    except UnidentifiedImageError:
        image = _by_opencv(path)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise SourceError(f"photo {quoted(path)} cannot be read: {error}; possible: {_KINDS}") from error
    height, width = image.shape[:2]
    return fitted(image, slot_size(width, height, public_name(path)))


def _by_opencv(path: str) -> Array:
    """Read what Pillow cannot: TIFF with 16 bits per channel."""
    data = np.fromfile(path, np.uint8)
    tiff = data[:4].tobytes() in (b"II*\0", b"MM\0*")
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if tiff else None
    if bgr is None:
        raise SourceError(f"photo {quoted(path)} is damaged or not an image; possible: {_KINDS}")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _eight_bit(grey: Array) -> Array:
    """One channel (H, W) of 16-bit, 32-bit or float values as RGB uint8 (H, W, 3)."""
    if grey.dtype == np.uint16 or (grey.dtype.kind == "i" and grey.max() > 255):
        full = 65535.0
    else:
        full = 1.0 if grey.dtype.kind == "f" and grey.max() <= 1.0 else 255.0
    levels = np.clip(grey * (255.0 / full) + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, 2)
