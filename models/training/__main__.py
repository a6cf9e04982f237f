"""``python -m models.training``: train dreamnet, or a network of one's own, from pictures and a teacher."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livedream.errors import LivedreamError

HERE = Path(__file__).parent


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser("python -m models.training", description=__doc__)
    p.add_argument("--teacher", type=Path, required=True, metavar="FILE", help="bvlc_googlenet as .npz")
    p.add_argument("--images", type=Path, nargs="+", required=True, metavar="DIR", help="folders, .tar files")
    p.add_argument("--minutes", type=float, default=60.0, help="0 with --resume only exports (60)")
    p.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    p.add_argument("--threads", type=int, default=1, help="processor threads (1)")
    p.add_argument("--batch", type=int, default=12, help="crops per step (12; 256 and more on a GPU)")
    p.add_argument("--learning-rate", type=float, default=2e-3, help="at its peak (0.002)")
    p.add_argument("--fp32", action="store_true", help="full precision, where bf16 is slow")
    p.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    p.add_argument(
        "--start-from", type=Path, metavar="FILE", help="begin with a network that was trained before"
    )
    p.add_argument("--run", type=Path, default=HERE / "runs" / "dreamnet", help="for checkpoint, CSV, plot")
    p.add_argument(
        "--out", type=Path, default=HERE.parent, metavar="DIR", help="for dreamnet.safetensors, .json"
    )
    p.add_argument(
        "--cache",
        type=Path,
        default=HERE / "runs" / "cache",
        metavar="DIR",
        help="for the pictures, read once",
    )
    p.add_argument("--checkpoint-s", type=float, default=120.0, help="seconds between checkpoints (120)")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as asked. Returns the exit code."""
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch is loaded: its pools read it then
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

    from livedream.networks import bvlc_googlenet, dreamnet
    from models.training.evaluate import held_out_metrics
    from models.training.export import export, score, shipped_score, trained_so_far
    from models.training.journal import Journal, plot
    from models.training.pictures import prepare
    from models.training.trainer import Recipe, Trainer

    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures = prepare(options.images, options.cache)
    logging.info("%d pictures to train on, %d held out", len(pictures.train), len(pictures.held_out))
    recipe = Recipe(
        batch=options.batch,
        pool=8 * options.batch,
        learning_rate=options.learning_rate,
        bf16=not options.fp32,
    )
    trainer = Trainer(bvlc_googlenet.load(options.teacher), pictures, options.minutes, recipe, device)
    judge = bvlc_googlenet.load(options.teacher)
    options.run.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.run / "checkpoint.pt"
    if options.resume:
        trainer.resume(checkpoint)
        logging.info("resumed after %d steps", trainer.steps)
    elif options.start_from is not None:
        trainer.start_from(dreamnet.load(options.start_from))
        trainer.steps, trainer.crops, trainer.total_s = trained_so_far(options.start_from)
        logging.info("begun with %s, after %d steps", options.start_from, trainer.steps)
    journal = Journal(options.run / "metrics.csv", append=options.resume)

    weights = options.out / "dreamnet.safetensors"
    # At the start of a resumed run the weights get worse before they get better: the better ones stay.
    best = shipped_score(weights) if options.resume or options.start_from else math.inf

    def save() -> None:
        nonlocal best
        trainer.save(checkpoint)
        network = trainer.folded()
        row: dict[str, Any] = {
            "steps": trainer.steps,
            "crops": trainer.crops,
            "minutes": trainer.total_s / 60,
            "learning_rate": trainer.learning_rate(),
        } | held_out_metrics(network, judge, pictures.held_out)
        journal.write(row)
        plot(options.run / "metrics.csv", options.run / "metrics.png")
        facts = {
            "metrics": {k: round(v, 4) for k, v in row.items() if k != "learning_rate"},
            "recipe": dataclasses.asdict(recipe),
        }
        if score(row) <= best:
            best = score(row)
            export(network, weights, options.images, facts)

    with tqdm(total=round(options.minutes * 60), unit="s", mininterval=5.0) as bar:

        def show(metrics: dict[str, float]) -> None:
            journal.add(metrics)
            bar.set_postfix_str(f"step {trainer.steps}, error {metrics['error_parts']:.3f}", refresh=False)
            bar.update(round(trainer.elapsed_s) - bar.n)

        trainer.train(options.checkpoint_s, save, show)
    save()
    logging.info("%d steps, %d crops; the best network is in %s", trainer.steps, trainer.crops, options.out)


if __name__ == "__main__":
    sys.exit(main())
