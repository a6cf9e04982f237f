"""``python -m training.evaluate``: compare dreamnet's dreams with its teacher's.

For each layer, on held-out photographs: the mean cosine of the input gradients, and the strength of
dreamnet's classic dream *in the eyes of the teacher*, relative to the teacher's own dream.
``training.sheets`` draws the dreams of both side by side.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.errors import LivedreamError
from livedream.frame import Array
from livedream.networks.architectures import bvlc_googlenet, dreamnet
from livedream.networks.architectures.bvlc_googlenet import BvlcGoogLeNet
from livedream.networks.architectures.dreamnet import LAYERS, TEACHER_LAYERS, DreamNet
from training.classic import classic_dream, input_gradient, strength
from training.dataset import crops, prepare
from training.export import record

CACHE = Path(__file__).parent / "runs" / "cache"
_CROPS, _CROP_PX = 32, 128


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


def relative_strengths(network: DreamNet, teacher: BvlcGoogLeNet, images: Tensor) -> dict[str, float]:
    """``strength_<layer>``: strength of dreamnet's dream over the teacher's, both judged by the teacher."""
    strengths = {}
    for layer in LAYERS:
        judge = teacher.truncate(TEACHER_LAYERS[layer])
        ours = strength(judge, classic_dream(network.truncate(layer), images), images)
        theirs = strength(judge, classic_dream(judge, images), images)
        strengths[f"strength_{layer}"] = float(ours.mean() / theirs.mean())
    return strengths


def _to_tensor(images: Array) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous() / 255.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the metrics as JSON; returns the exit code."""
    p = argparse.ArgumentParser("python -m training.evaluate", description=__doc__)
    p.add_argument("--teacher", type=Path, required=True, metavar="FILE", help="bvlc_googlenet as .npz")
    p.add_argument("--images", type=Path, nargs="+", required=True, metavar="DIR", help="the training images")
    p.add_argument("--weights", type=Path, help="dreamnet's weights (the shipped ones)")
    p.add_argument("--pictures", type=int, default=16, help="number of held-out photographs to dream on (16)")
    p.add_argument("--record", action="store_true", help="also write the metrics to the weights' sidecar")
    p.add_argument("--threads", type=int, default=1, help="processor threads (1)")
    p.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="folder for the decoded images")
    options = p.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        teacher = bvlc_googlenet.load(options.teacher)
        network = dreamnet.load(options.weights)
        held_out = prepare(options.images, options.cache).held_out
        metrics = held_out_metrics(network, teacher, held_out)
        if options.pictures:
            some = np.random.default_rng(0).permutation(len(held_out))[: options.pictures]
            metrics |= relative_strengths(network, teacher, _to_tensor(held_out[np.sort(some)]))
        metrics = {name: round(value, 4) for name, value in metrics.items()}
        if options.record:
            record((options.weights or dreamnet.WEIGHTS).with_suffix(".json"), metrics)
    except LivedreamError as error:
        logging.error("%s", error)
        return error.exit_code
    sys.stdout.write(json.dumps(metrics, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
