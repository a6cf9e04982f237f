"""``python -m models.training.evaluate``: how well dreamnet dreams, measured on its teacher.

For each layer, on held-out photographs: the mean cosine of the input gradients, and the strength of a
classic dream of dreamnet's *as the teacher sees it*, as a share of what the teacher's own dream reaches.
``--sheet`` draws photographs dreamt by both, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.errors import LivedreamError, SourceError
from livedream.frame import Array, Image, resize
from livedream.networks import bvlc_googlenet, dreamnet
from livedream.networks.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet
from models.training.classic import classic_dream, input_gradient, strength
from models.training.export import record
from models.training.pictures import crops, prepare

CACHE = Path(__file__).parent / "runs" / "cache"
_CROPS, _CROP_PX = 32, 128
_SHEET_PX = 320


def held_out_metrics(
    network: DreamNet, teacher: BvlcGoogLeNet, held_out: NDArray[np.uint8]
) -> dict[str, float]:
    """``held_out_error_<layer>``: squared error over mean square; ``held_out_cosine_<layer>``."""
    x = torch.from_numpy(crops(held_out, np.random.default_rng(0), _CROPS, _CROP_PX))
    metrics: dict[str, float] = {}
    for layer in LAYERS:
        student, master = network.truncate(layer), teacher.truncate(TEACHER_LAYERS[layer])
        ours, theirs = (input_gradient(part, x).flatten(1) for part in (student, master))
        with torch.no_grad():
            target = master(x)
            error = (student(x) - target).square().mean() / target.square().mean()
        metrics[f"held_out_error_{layer}"] = float(error)
        metrics[f"held_out_cosine_{layer}"] = float(torch.cosine_similarity(ours, theirs).mean())
    return metrics


def strength_shares(network: DreamNet, teacher: BvlcGoogLeNet, pictures: Tensor) -> dict[str, float]:
    """``strength_<layer>``: strength of dreamnet's dream over the teacher's, both seen by the teacher."""
    shares = {}
    for layer in LAYERS:
        judge = teacher.truncate(TEACHER_LAYERS[layer])
        ours = strength(judge, classic_dream(network.truncate(layer), pictures), pictures)
        theirs = strength(judge, classic_dream(judge, pictures), pictures)
        shares[f"strength_{layer}"] = float(ours.mean() / theirs.mean())
    return shares


def sheet(network: DreamNet, teacher: BvlcGoogLeNet, photographs: Sequence[Image]) -> Image:
    """Two rows for each photograph: dreamt by the teacher, and below by dreamnet; a column for each layer."""
    rows = []
    for photograph in photographs:
        small = resize(photograph, _SHEET_PX, round(_SHEET_PX * photograph.shape[0] / photograph.shape[1]))
        x = _to_tensor(small[None])
        theirs = [teacher.truncate(name) for name in TEACHER_LAYERS.values()]
        ours = [network.truncate(layer) for layer in LAYERS]
        for parts in (theirs, ours):
            rows.append(np.hstack([small, *(_to_images(classic_dream(part, x))[0] for part in parts)]))
    return np.vstack(rows)


def _to_tensor(images: Array) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous() / 255.0


def _to_images(x: Tensor) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = (x * 255.0).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return images


def _read(path: Path) -> Image:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"{path} is missing or no picture; possible: .jpg, .png and the like")
    rgb: Array = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked; the numbers go to standard output as JSON. Returns the exit code."""
    p = argparse.ArgumentParser("python -m models.training.evaluate", description=__doc__)
    p.add_argument("--teacher", type=Path, required=True, metavar="FILE", help="bvlc_googlenet as .npz")
    p.add_argument("--images", type=Path, nargs="+", required=True, metavar="DIR", help="as in the training")
    p.add_argument("--weights", type=Path, help="dreamnet's weights (those that are shipped)")
    p.add_argument("--pictures", type=int, default=16, help="held-out photographs to dream on (16)")
    p.add_argument("--record", action="store_true", help="also write the numbers to the weights' sidecar")
    p.add_argument("--threads", type=int, default=1, help="processor threads (1)")
    p.add_argument("--sheet", type=Path, metavar="PNG", help="draw the photographs of --photos here")
    p.add_argument("--photos", type=Path, nargs="+", default=[], metavar="FILE")
    p.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="for the pictures, read once")
    options = p.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        teacher = bvlc_googlenet.load(options.teacher)
        network = dreamnet.load(options.weights)
        held_out = prepare(options.images, options.cache).held_out
        metrics = held_out_metrics(network, teacher, held_out)
        if options.pictures:
            some = np.random.default_rng(0).permutation(len(held_out))[: options.pictures]
            metrics |= strength_shares(network, teacher, _to_tensor(held_out[np.sort(some)]))
        metrics = {name: round(value, 4) for name, value in metrics.items()}
        if options.record:
            record((options.weights or dreamnet.WEIGHTS).with_suffix(".json"), metrics)
        if options.sheet:
            picture = sheet(network, teacher, [_read(photo) for photo in options.photos])
            cv2.imwrite(str(options.sheet), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except LivedreamError as error:
        logging.error("%s", error)
        return error.exit_code
    sys.stdout.write(json.dumps(metrics, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
