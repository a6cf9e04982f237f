"""How a dream develops before someone who stands still: one frame of a video, dreamt for minutes or an hour.

::

    python -m tests.bench.develop --source VIDEO --seconds 120 --set drift=0.7 --sheet sheet.png
    python -m tests.bench.develop --source VIDEO --seconds 3600 --rate 2 --noise 2 --set steps=20

Every 5 s from the 20th on, means: ``strength``, ``rms`` of the residual and of its ``coarse`` part (σ 4 px);
``colour``, the largest mean of a channel; ``clipped``. ``alike`` is the correlation of the coarse part
with that of so many seconds ago, ``flicker`` the mean change of the residual in a tick, ``jump`` the largest.
The first and the last third stand beside the whole, to show what fades or piles up.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image, resize
from livedream.networks.catalogue import network_info
from livedream.settings import Settings, parse_assignment
from tests.bench.dream_figures import frames_of
from tests.bench.hard import over, rms
from tests.bench.measures import clipped, strength

_EVERY_S, _FROM_S = 5, 20
_AGO_S = (5, 15, 30, 60)
_COARSE_PX = 4
_SHOWN = 12


class Development:
    """What was seen of one dream, every :data:`_EVERY_S` seconds."""

    def __init__(self) -> None:
        self.coarse: dict[int, Array] = {}
        self.rows: list[dict[str, float]] = []
        self.changes: list[float] = []
        self.images: list[Image] = []

    def alike(self, ago_s: int) -> float:
        """The mean correlation of coarse parts that are ``ago_s`` apart."""
        pairs = [
            (image, self.coarse[at - ago_s]) for at, image in self.coarse.items() if at - ago_s in self.coarse
        ]
        return (
            float(np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs]))
            if pairs
            else float("nan")
        )

    def figures(self) -> dict[str, Any]:
        """All of it."""
        third = max(1, len(self.rows) // 3)
        parts = {"all": self.rows, "first": self.rows[:third], "last": self.rows[-third:]}
        means = {
            name: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
            for name, rows in parts.items()
        }
        return means | {
            "alike": {ago_s: round(self.alike(ago_s), 3) for ago_s in _AGO_S},
            "flicker": round(float(np.mean(self.changes)), 3),
            "jump": round(max(self.changes), 3),
        }


def develop(frame: Image, dreamer: Dreamer, settings: Settings, options: argparse.Namespace) -> Development:
    """Dream on ``frame`` with the noise of ``options``."""
    layer = network_info(settings.network).layer(settings.layer).name
    rng = np.random.default_rng(5)
    found, last = Development(), None
    for n in range(options.seconds * options.rate + 1):
        seen = frame
        if options.noise:
            seen = np.clip(np.rint(frame + rng.normal(0, options.noise, frame.shape)), 0, 255).astype(
                np.uint8
            )
        residual = dreamer.tick(seen, settings, time_s=n / options.rate)
        second = n // options.rate
        if last is not None and second >= _FROM_S:
            found.changes.append(float(np.abs(residual - last).mean()))
        last = residual.copy()
        if n % (_EVERY_S * options.rate) or second < _FROM_S:
            continue
        height, width = residual.shape[:2]
        image = resize(frame, width, height)
        dreamt = over(image, residual)
        coarse = cv2.GaussianBlur(residual, (0, 0), _COARSE_PX)
        found.coarse[second] = coarse
        found.images.append(dreamt)
        found.rows.append(
            {
                "strength": strength(dreamer.backend, layer, dreamt, image),
                "rms": rms(residual),
                "coarse": rms(coarse),
                "colour": float(np.abs(residual.mean((0, 1))).max()),
                "clipped": clipped(dreamt, image),
            }
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked; the figures go to standard output as JSON. Returns the exit code."""
    parser = argparse.ArgumentParser("python -m tests.bench.develop", description=__doc__)
    parser.add_argument("--source", required=True, metavar="VIDEO")
    parser.add_argument("--network", default="dreamnet")
    parser.add_argument("--weights", type=Path, metavar="FILE")
    parser.add_argument("--layer", default="parts")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--rate", type=int, default=20, help="ticks a second")
    parser.add_argument("--noise", type=float, default=0.0, help="of the camera, in levels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    settings = Settings(network=options.network, layer=options.layer)
    for text in options.set:
        settings = settings.replace(**parse_assignment(text))
    (frame,) = frames_of(options.source, 1)
    dreamer = Dreamer(options.network, weights=options.weights, seed=options.seed)
    found = develop(frame, dreamer, settings, options)
    sys.stdout.write(json.dumps(found.figures()) + "\n")
    if options.sheet:
        chosen = np.linspace(0, len(found.images) - 1, _SHOWN).round().astype(int)
        images = [found.images[n] for n in chosen]
        sheet = np.vstack([np.hstack(images[n : n + 4]) for n in range(0, _SHOWN, 4)])
        cv2.imwrite(str(options.sheet), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    dreamer.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
