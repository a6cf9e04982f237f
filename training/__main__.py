"""``python -m training``: train dreamnet, or a network of your own, on images."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livedream.errors import LivedreamError

if TYPE_CHECKING:
    from livedream.networks.architectures.dreamnet import DreamNet
    from training.dataset import Dataset
    from training.trainer import Recipe, TrainingTask

HERE = Path(__file__).parent


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser("python -m training", description=__doc__)
    how = p.add_mutually_exclusive_group(required=True)
    how.add_argument("--teacher", type=Path, metavar="FILE", help="imitate it: bvlc_googlenet as .npz")
    how.add_argument("--labels", action="store_true", help="no teacher; each folder of images is a class")
    how.add_argument("--self-supervised", action="store_true", help="no teacher, no labels")
    p.add_argument(
        "--images", type=Path, nargs="+", required=True, metavar="DIR", help="folders or .tar files"
    )
    p.add_argument("--minutes", type=float, default=60.0, help="0 with --resume only exports (60)")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument("--threads", type=int, default=1, help="processor threads (1)")
    p.add_argument("--batch", type=int, default=12, help="crops per step (12; on a GPU, 256 or more)")
    p.add_argument(
        "--learning-rate",
        type=float,
        help="peak learning rate (0.001; without a teacher 0.002, with --start-from 0.0005)",
    )
    p.add_argument("--fp32", action="store_true", help="full precision, for processors where bf16 is slow")
    p.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    p.add_argument(
        "--start-from", type=Path, metavar="FILE", help="start from the weights of a trained network"
    )
    p.add_argument(
        "--run",
        type=Path,
        metavar="DIR",
        help="for checkpoint, CSV and plot (runs/dreamnet or runs/own)",
    )
    p.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for dreamnet.safetensors and .json (models; without a teacher as --run)",
    )
    p.add_argument(
        "--cache",
        type=Path,
        default=HERE / "runs" / "cache",
        metavar="DIR",
        help="folder for the decoded images",
    )
    p.add_argument("--checkpoint-s", type=float, default=120.0, help="seconds between checkpoints (120)")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the arguments say; returns the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch is loaded, which reads it
    try:
        _train(options)
    except LivedreamError as error:
        logging.error("%s", error)
        return error.exit_code
    return 0


def _train(options: argparse.Namespace) -> None:
    import cv2
    import torch
    from tqdm import tqdm

    from livedream.networks.architectures import dreamnet
    from training.dataset import prepare
    from training.export import (
        ancestor,
        export,
        remembered,
        score,
        script_commit,
        shipped_score,
        trained_so_far,
    )
    from training.journal import FIELDS, OWN_FIELDS, Journal, plot
    from training.trainer import Recipe, Trainer

    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    imitates = options.teacher is not None
    run = options.run or HERE / "runs" / ("dreamnet" if imitates else "own")
    out = options.out or (dreamnet.WEIGHTS.parent if imitates else run)
    start = None if options.start_from is None else dreamnet.load(options.start_from)
    dataset = prepare(options.images, options.cache)
    logging.info("%d images to train on, %d held out", len(dataset.train), len(dataset.held_out))
    recipe = Recipe(
        batch=options.batch,
        pool=8 * options.batch,
        learning_rate=options.learning_rate or (1e-3 if imitates else 2e-3 if start is None else 5e-4),
        bf16=not options.fp32,
    )
    task, measure, facts = _task(options, dataset, recipe, device)
    facts |= {"recipe": dataclasses.asdict(recipe)} | script_commit()
    trainer = Trainer(task, options.minutes, recipe, device)
    run.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    if options.resume:
        trainer.resume(checkpoint)
        logging.info("resumed after %d steps", trainer.steps)
    elif start is not None:
        trainer.start_from(start)
        if imitates:
            trainer.steps, trainer.crops, trainer.total_s = trained_so_far(options.start_from)
        logging.info("started from %s, after %d steps", options.start_from, trainer.steps)
    else:
        trainer.begin()
    weights = out / "dreamnet.safetensors"
    if not imitates and options.resume:
        facts |= remembered(weights)
    elif not imitates and start is not None:
        facts |= ancestor(options.start_from)
    journal = Journal(run / "metrics.csv", append=options.resume, fields=FIELDS if imitates else OWN_FIELDS)

    # A resumed run gets worse before it gets better: until then the better weights are kept.
    keeps = imitates and (options.resume or start is not None)
    best = shipped_score(weights) if keeps else math.inf

    def save() -> None:
        nonlocal best
        trainer.save(checkpoint)
        network = trainer.folded()
        row: dict[str, Any] = {
            "steps": trainer.steps,
            "crops": trainer.crops,
            "minutes": trainer.total_s / 60,
            "learning_rate": trainer.learning_rate(),
        } | measure(network)
        journal.write(row)
        plot(run / "metrics.csv", run / "metrics.png")
        metrics = {"metrics": {k: round(v, 4) for k, v in row.items() if k != "learning_rate"}}
        if not imitates or score(row) <= best:
            best = score(row) if imitates else best
            export(network, weights, options.images, metrics | facts, teacher=imitates)

    with tqdm(total=round(options.minutes * 60), unit="s", mininterval=5.0) as bar:

        def show(metrics: dict[str, float]) -> None:
            journal.add(metrics)
            name, value = list(metrics.items())[-1]
            bar.set_postfix_str(f"step {trainer.steps}, {name} {value:.3f}", refresh=False)
            bar.update(round(trainer.elapsed_s) - bar.n)

        trainer.train(options.checkpoint_s, save, show)
    save()
    logging.info("%d steps, %d crops; saved %s", trainer.steps, trainer.crops, weights)


def _task(
    options: argparse.Namespace, dataset: Dataset, recipe: Recipe, device: str
) -> tuple[TrainingTask, Callable[[DreamNet], dict[str, float]], dict[str, Any]]:
    """The task, the function that measures a network, and facts for the sidecar."""
    if options.teacher is not None:
        from livedream.networks.architectures import bvlc_googlenet
        from training.evaluate import held_out_metrics
        from training.imitation import Imitation

        judge = bvlc_googlenet.load(options.teacher)
        task = Imitation(bvlc_googlenet.load(options.teacher), dataset, recipe, device)
        return task, lambda network: held_out_metrics(network, judge, dataset.held_out), {}
    from training.own import OwnImages, classes_of

    classes = classes_of(dataset, ", ".join(map(str, options.images))) if options.labels else None
    own = OwnImages(dataset, recipe, classes, device)
    facts: dict[str, Any] = {"method": "labels" if classes else "self-supervised"}
    if classes is not None:
        facts["classes"] = classes.names  # in order: the position of a class tells its channels
    return own, own.measure, facts


if __name__ == "__main__":
    sys.exit(main())
