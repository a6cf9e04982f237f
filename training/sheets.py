"""``python -m training.sheets``: contact sheets of dreams at all five layers.

Writes ``<prefix>-<name>.jpg`` to ``--out`` for each of ``--pictures``: a photograph, ``clouds``, or
``VIDEO@FRAME``. With ``--teacher`` the teacher's dreams stand beside the network's; with ``--classes`` a
dream of each class follows. The dreams are classic ones, as in 2015.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from livedream.errors import LivedreamError, NetworkError, OutputError, SourceError, UsageError
from livedream.frame import Array, Image, resize
from livedream.networks.architectures import bvlc_googlenet, dreamnet
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet
from training.classic import classic_dream

#: A page with ten sheets must still load quickly.
MAX_BYTES = 250_000
_PIXELS = 352 * 198  # per image: small enough for shapes to fill it, and for ten to fit into a file
_GAP_PX, _TITLE_PX = 6, 24
_CLOUDS_FRAME = 30
_MAX_CLASSES = 6


def read_image(spec: str) -> Image:
    """A photograph, ``clouds``, or ``video.mp4@FRAME`` as RGB uint8 (H, W, 3).

    Raises ``SourceError`` for a file or frame that does not exist or cannot be read.
    """
    if spec == "clouds":
        from livedream.sources.clouds import CLOUDS_FPS, Clouds

        return Clouds((640, 360)).image(_CLOUDS_FRAME / CLOUDS_FPS)
    name, at, frame = spec.rpartition("@")
    if at:
        video = cv2.VideoCapture(name)
        video.set(cv2.CAP_PROP_POS_FRAMES, int(frame) if frame.isdecimal() else -1)
        image = video.read()[1] if frame.isdecimal() else None
        video.release()
        if image is None:
            raise SourceError(f"no frame {frame} in {name}; possible: VIDEO@NUMBER, counted from 0")
    else:
        image = cv2.imread(spec, cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{spec} is missing or not an image; possible: .jpg, .png and the like")
    rgb: Array = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def class_names(weights: Path) -> list[str]:
    """The ordered classes of a network that was trained with labels, from its sidecar.

    Raises ``NetworkError`` if the sidecar lists none.
    """
    try:
        return [str(name) for name in json.loads(weights.with_suffix(".json").read_text())["classes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NetworkError(
            f"{weights.with_suffix('.json')} lists no classes; possible: a network trained with --labels"
        ) from error


class _Channels(nn.Module):
    """The channels ``first``, ``first + step``, … of the output of ``part``."""

    def __init__(self, part: nn.Module, first: int, step: int) -> None:
        super().__init__()
        self.part, self.first, self.step = part, first, step

    def forward(self, x: Tensor) -> Tensor:
        activation: Tensor = self.part(x)
        return activation[:, self.first :: self.step]


def sheet(
    network: DreamNet,
    teacher: BvlcGoogLeNet | None,
    image: Image,
    classes: Sequence[str] = (),
    class_layer: str = "textures",
) -> Image:
    """The image and its five dreams in three columns; with a ``teacher``, pairs of dreams in two columns.

    With ``classes``, a dream with the channels of each of the first six at ``class_layer`` follows.
    """
    aspect = image.shape[1] / image.shape[0]
    small = resize(image, round((_PIXELS * aspect) ** 0.5), round((_PIXELS / aspect) ** 0.5))
    if teacher is None:
        cells = [_cell([small], "original")]
    else:
        cells = [_cell([small, _legend(small.shape)], "original")]
    for layer in LAYERS:
        dreams = [_dream(network.truncate(layer), small)]
        title = layer
        if teacher is not None:
            dreams.insert(0, _dream(teacher.truncate(TEACHER_LAYERS[layer]), small))
            title = f"{layer} ({TEACHER_LAYERS[layer]})"
        cells.append(_cell(dreams, title))
    for k, name in enumerate(classes[:_MAX_CLASSES]):
        part = _Channels(network.truncate(class_layer), k, len(classes))
        cells.append(_cell([_dream(part, small)], f"{class_layer}: {name}"))
    columns = 3 if teacher is None else 2
    cells += [np.full_like(cells[-1], 255)] * (-len(cells) % columns)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.ascontiguousarray(np.vstack(rows))


def _dream(part: nn.Module, image: Image) -> NDArray[np.uint8]:
    x = torch.from_numpy(image[None]).permute(0, 3, 1, 2).float().contiguous() / 255.0
    dreamt = classic_dream(part, x)[0].permute(1, 2, 0)
    levels: NDArray[np.uint8] = (dreamt * 255.0).round().byte().contiguous().numpy()
    return levels


def _legend(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    legend = np.full(shape, 255, np.uint8)
    for i, line in enumerate(("left: the teacher,", "BVLC GoogLeNet", "right: dreamnet")):
        _write(legend, line, (10, 30 + 20 * i))
    return legend


def _write(image: Array, text: str, origin: tuple[int, int]) -> None:
    cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (60, 60, 60), 1, cv2.LINE_AA)


def _cell(images: Sequence[Array], title: str) -> NDArray[np.uint8]:
    """Images side by side under a title, with a white margin."""
    height, width = images[0].shape[:2]
    size = (_TITLE_PX + height + _GAP_PX, (width + _GAP_PX) * len(images) + _GAP_PX, 3)
    cell = np.full(size, 255, np.uint8)
    _write(cell, title, (0, 17))
    for i, image in enumerate(images):
        left = i * (width + _GAP_PX)
        cell[_TITLE_PX : _TITLE_PX + height, left : left + width] = image
    return cell


def write_jpeg(path: Path, image: Image, max_bytes: int = MAX_BYTES) -> int:
    """Write ``image`` (RGB) in the best quality that fits into ``max_bytes``; returns the quality.

    Raises ``OutputError`` if it is too large in any quality, or cannot be written.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    for quality in range(92, 30, -4):
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= max_bytes:
            try:
                path.write_bytes(data)
            except OSError as error:
                raise OutputError(f"cannot write {path}: {error}") from error
            return quality
    raise OutputError(f"{path} would be larger than {max_bytes} bytes; possible: fewer or smaller images")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheets; returns the exit code."""
    p = argparse.ArgumentParser("python -m training.sheets", description=__doc__)
    p.add_argument(
        "--pictures", nargs="+", required=True, metavar="FILE", help="a photo, clouds, VIDEO@FRAME"
    )
    p.add_argument("--teacher", type=Path, metavar="FILE", help="bvlc_googlenet as .npz")
    p.add_argument("--weights", type=Path, metavar="FILE", help="dreamnet's weights (the shipped ones)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR")
    p.add_argument(
        "--classes",
        choices=list(LAYERS)[1:],
        metavar="LAYER",
        help="also a dream of each class, at LAYER",
    )
    p.add_argument("--prefix", default="dreams", help="of the file names (dreams)")
    p.add_argument(
        "--largest-kb",
        type=int,
        default=MAX_BYTES // 1000,
        help=f"of a file, at most ({MAX_BYTES // 1000})",
    )
    p.add_argument("--threads", type=int, default=1, help="processor threads (1)")
    options = p.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    try:
        network = dreamnet.load(options.weights)
        teacher = None if options.teacher is None else bvlc_googlenet.load(options.teacher)
        images = {Path(spec.partition("@")[0]).stem: read_image(spec) for spec in options.pictures}
        classes: list[str] = []
        if options.classes:
            if teacher is not None:
                raise UsageError("--classes and --teacher exclude each other; possible: one of them")
            classes = class_names(options.weights or dreamnet.WEIGHTS)
        options.out.mkdir(parents=True, exist_ok=True)
        for name, image in images.items():
            path = options.out / f"{options.prefix}-{name}.jpg"
            drawn = sheet(network, teacher, image, classes, options.classes)
            quality = write_jpeg(path, drawn, 1000 * options.largest_kb)
            logging.info("%s, quality %d", path, quality)
    except LivedreamError as error:
        logging.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
