"""Training pictures: read once from folders and tar files into one array, then cut into crops.

Pictures here are RGB uint8 ``(N, SIDE_PX, SIDE_PX, 3)``: the centred square of each photograph. A fixed part
of them, chosen by a hash of the file's name, is *held out*: never trained on, only measured on.
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
HELD_OUT_SHARE = 0.02
_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
# Crops of 64 px blown up to 112 look like a webcam's soft picture, whole pictures like a photograph.
_CROP_SIDES_PX = (64, SIDE_PX)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pictures:
    """``train`` and ``held_out``: RGB uint8 (N, SIDE_PX, SIDE_PX, 3), never sharing a picture.

    ``train_folders`` and ``held_out_folders`` name each picture's folder, "" where it lay in none.
    """

    train: NDArray[np.uint8]
    held_out: NDArray[np.uint8]
    train_folders: tuple[str, ...] = ()
    held_out_folders: tuple[str, ...] = ()


def is_held_out(name: str) -> bool:
    """Whether the picture of this file name belongs to the held-out part; the same in every run."""
    digest = hashlib.sha256(PurePosixPath(name).name.encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def prepare(sources: Sequence[Path], cache: Path) -> Pictures:
    """All pictures of folders and tar files; read once, then mapped from one file in the folder ``cache``.

    Raises ``SourceError`` for a source that is missing or unreadable, and when there are no pictures.
    """
    key = hashlib.sha256(str([(str(s.resolve()), _stamp(s)) for s in sources]).encode()).hexdigest()[:16]
    array_path, list_path = cache / f"pictures-{key}.npy", cache / f"pictures-{key}.json"
    if not list_path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        names: list[str] = []
        squares: list[NDArray[np.uint8]] = []
        for name, data in tqdm((item for s in sources for item in _files(s)), "reading pictures", unit=""):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                log.warning("%s is no picture that can be read; left out", name)
                continue
            names.append(name)
            squares.append(_square(image))
        if not squares:
            asked, possible = ", ".join(map(str, sources)), " ".join(sorted(_ENDINGS))
            raise SourceError(f"no pictures in {asked}; possible: folders or .tar files of {possible}")
        held = np.array([is_held_out(name) for name in names])
        if held.all() or not held.any():  # a handful of pictures: the last one must do
            held = np.arange(len(names)) == len(names) - 1
        order = np.argsort(~held, kind="stable")  # those held out first, so that both parts are views
        np.save(array_path, np.stack(squares)[order])
        lain = [PurePosixPath(names[i]).parent.name for i in order]
        # Last: its presence says that the array is complete.
        list_path.write_text(json.dumps({"held_out": int(held.sum()), "folders": lain}))
    array = np.load(array_path, mmap_mode="r")
    listed = json.loads(list_path.read_text())
    count: int = listed["held_out"]
    folders: tuple[str, ...] = tuple(listed["folders"])
    if len(array) < 2:
        raise SourceError(f"one picture only in {', '.join(map(str, sources))}; training needs at least two")
    return Pictures(array[count:], array[:count], folders[count:], folders[:count])


def _stamp(source: Path) -> tuple[int, int]:
    if not source.exists():
        raise SourceError(f"no pictures at {source}; possible: a folder or a .tar file of pictures")
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
        raise SourceError(f"{source} is no tar file; possible: a folder or a .tar file of pictures")
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
    pictures: NDArray[np.uint8],
    rng: np.random.Generator,
    count: int,
    size_px: int,
    which: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """``count`` random crops, float32 (count, 3, size_px, size_px) in [0, 1]: any scale, flipped, relit.

    They are cut from the pictures numbered ``which``, or from any.
    """
    if size_px > 2 * SIDE_PX:
        raise UsageError(f"crops of {size_px} px cannot be cut; possible: up to {2 * SIDE_PX} px")
    out = np.empty((count, size_px, size_px, 3), np.float32)
    for i in range(count):
        picture = pictures[rng.integers(len(pictures)) if which is None else which[i]]
        low, high = np.log(_CROP_SIDES_PX)
        side = round(float(np.exp(rng.uniform(low, high))))
        top, left = rng.integers(0, SIDE_PX - side + 1, 2)
        crop = picture[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        how = cv2.INTER_AREA if side > size_px else cv2.INTER_CUBIC
        cut = cv2.resize(np.ascontiguousarray(crop), (size_px, size_px), interpolation=how)
        contrast, brightness = rng.uniform(0.5, 1.2), rng.uniform(-0.15, 0.15)
        mean = float(cut.mean())
        out[i] = (cut - mean) * (contrast / 255.0) + mean / 255.0 + brightness
    return np.ascontiguousarray(np.clip(out, 0.0, 1.0).transpose(0, 3, 1, 2))
