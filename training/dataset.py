"""Training images: decoded once from folders and tar files into one array, then cut into random crops.

Images are RGB uint8 ``(N, SIDE_PX, SIDE_PX, 3)``: the centred square of each photograph. A fixed fraction,
chosen by a hash of the file name, is *held out*: used for evaluation, never for training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from livedream.errors import SourceError, UsageError
from livedream.frame import Array

SIDE_PX = 160
HELD_OUT_FRACTION = 0.02
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
# Crops of 64 px, enlarged to 112, are as soft as a webcam's image; whole images are as sharp as photographs.
_CROP_SIDES_PX = (64, SIDE_PX)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dataset:
    """``train`` and ``held_out``: RGB uint8 (N, SIDE_PX, SIDE_PX, 3), without a common image.

    ``train_folders`` and ``held_out_folders`` name the folder of each image, "" if it was in none.
    """

    train: NDArray[np.uint8]
    held_out: NDArray[np.uint8]
    train_folders: tuple[str, ...] = ()
    held_out_folders: tuple[str, ...] = ()


def is_held_out(name: str) -> bool:
    """Whether the image of this file name is held out; the same in every run."""
    digest = hashlib.sha256(PurePosixPath(name).name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_FRACTION * 2**32


def prepare(sources: Sequence[Path], cache: Path) -> Dataset:
    """All images in folders and tar files: decoded once, then memory-mapped from a file in ``cache``.

    Raises ``SourceError`` for a source that is missing or unreadable, and if there are no images.
    """
    key = hashlib.sha256(str([(str(s.resolve()), _stamp(s)) for s in sources]).encode()).hexdigest()[:16]
    array_path, list_path = cache / f"pictures-{key}.npy", cache / f"pictures-{key}.json"
    if not list_path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        names: list[str] = []
        squares: list[NDArray[np.uint8]] = []
        for name, data in tqdm((item for s in sources for item in _files(s)), "reading images", unit=""):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                log.warning("%s is not a readable image; skipped", name)
                continue
            names.append(name)
            squares.append(_square(image))
        if not squares:
            asked, possible = ", ".join(map(str, sources)), " ".join(sorted(_ENDINGS))
            raise SourceError(f"no images in {asked}; possible: folders or .tar files of {possible}")
        held = np.array([is_held_out(name) for name in names])
        if held.all() or not held.any():  # only a handful of images: hold out the last one
            held = np.arange(len(names)) == len(names) - 1
        order = np.argsort(~held, kind="stable")  # held-out images first, so that both parts are views
        np.save(array_path, np.stack(squares)[order])
        folders_of = [PurePosixPath(names[i]).parent.name for i in order]
        # Written last: its presence means that the array is complete.
        list_path.write_text(json.dumps({"held_out": int(held.sum()), "folders": folders_of}))
    array = np.load(array_path, mmap_mode="r")
    listed = json.loads(list_path.read_text())
    count: int = listed["held_out"]
    folders: tuple[str, ...] = tuple(listed["folders"])
    if len(array) < 2:
        raise SourceError(f"found only one image in {', '.join(map(str, sources))}; expected at least two")
    return Dataset(array[count:], array[:count], folders[count:], folders[:count])


def _stamp(source: Path) -> tuple[int, int]:
    if not source.exists():
        raise SourceError(f"no images at {source}; possible: a folder or a .tar file of images")
    if source.is_dir():
        files = [path.stat().st_size for path in source.rglob("*") if path.suffix.lower() in _ENDINGS]
        return len(files), sum(files)
    return 1, source.stat().st_size


def _files(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in _ENDINGS:
                yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    if not tarfile.is_tarfile(source):
        raise SourceError(f"{source} is not a tar file; possible: a folder or a .tar file of images")
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                if member.isfile() and PurePosixPath(member.name).suffix.lower() in _ENDINGS:
                    file = tar.extractfile(member)
                    assert file is not None
                    yield member.name, file.read()
    except tarfile.TarError as error:
        raise SourceError(f"{source} is damaged: {error}") from error


def _square(bgr: Array) -> Array:
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = bgr[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_CUBIC
    return cv2.cvtColor(cv2.resize(square, (SIDE_PX, SIDE_PX), interpolation=how), cv2.COLOR_BGR2RGB)


def crops(
    images: NDArray[np.uint8],
    rng: np.random.Generator,
    count: int,
    size_px: int,
    which: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """``count`` random crops, float32 (count, 3, size_px, size_px) in [0, 1].

    Scale, flip, contrast and brightness are random. They come from the images with the indices ``which``, or
    from random ones.
    """
    if size_px > 2 * SIDE_PX:
        raise UsageError(f"invalid crop size {size_px} px; expected at most {2 * SIDE_PX} px")
    out = np.empty((count, size_px, size_px, 3), np.float32)
    for i in range(count):
        image = images[rng.integers(len(images)) if which is None else which[i]]
        low, high = np.log(_CROP_SIDES_PX)
        side = round(float(np.exp(rng.uniform(low, high))))
        top, left = rng.integers(0, SIDE_PX - side + 1, 2)
        crop = image[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        how = cv2.INTER_AREA if side > size_px else cv2.INTER_CUBIC
        cut = cv2.resize(np.ascontiguousarray(crop), (size_px, size_px), interpolation=how)
        contrast, brightness = rng.uniform(0.5, 1.2), rng.uniform(-0.15, 0.15)
        mean = float(cut.mean())
        out[i] = (cut - mean) * (contrast / 255.0) + mean / 255.0 + brightness
    return np.ascontiguousarray(np.clip(out, 0.0, 1.0).transpose(0, 3, 1, 2))
