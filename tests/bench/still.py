"""Dreams on one still image for half an hour: does the dream settle, clip, wash out or freeze?

``python -m tests.bench.still --source PICTURE --ticks 54000 --json OUT.json --sheet OUT.png`` is half an hour
at 30 ticks a second. It prints a line now and then: strength, change per tick and per second, the fraction of
the image that is clipped in the worst channel where the camera's is not, and the dream's mean colour.
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
from livedream.frame import Image, resize, working_size
from livedream.networks.catalogue import network_info
from livedream.settings import Settings, parse_assignment
from livedream.sources import open_source
from tests.bench.measures import clipped, legibility, strength

_PRINTED = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Dream and measure; returns the exit code."""
    parser = argparse.ArgumentParser("python -m tests.bench.still", description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--network", default="dreamnet")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--layer", default="parts")
    parser.add_argument("--ticks", type=int, default=54000)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    settings = Settings(network=options.network, layer=options.layer)
    for text in options.set:
        settings = settings.replace(**parse_assignment(text))
    layer = network_info(settings.network).layer(settings.layer).name
    with open_source(options.source) as source:
        image = next(source).image
    frame = np.ascontiguousarray(
        resize(image, *working_size(image.shape[1], image.shape[0], settings.working_px))
    )
    dreamer = Dreamer(options.network, weights=options.weights)
    marks = {round(n) for n in np.geomspace(60, options.ticks - 1, _PRINTED)}
    rows: list[dict[str, Any]] = []
    images: list[Image] = []
    seen: dict[int, Image] = {}
    for n in range(options.ticks):
        residual = dreamer.tick(frame, settings, time_s=n / 30)
        if {n, n + 1, n + 30} & marks:
            now = np.clip(frame + residual, 0, 255).astype(np.uint8)
            if n in marks:
                rows.append(
                    {
                        "tick": n,
                        "strength": round(strength(dreamer.backend, layer, now, frame), 3),
                        "change_tick": round(float(cv2.absdiff(now, seen[n - 1]).mean()), 3),
                        "change_second": round(float(cv2.absdiff(now, seen[n - 30]).mean()), 3),
                        "clipped": round(clipped(now, frame), 4),
                        "legibility": round(legibility(now, frame), 3),
                        "colour": [round(float(c), 1) for c in residual.mean((0, 1))],
                    }
                )
                sys.stdout.write(json.dumps(rows[-1]) + "\n")
                sys.stdout.flush()
                images.append(now)
            seen[n] = now
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    if options.sheet:
        rows_of = [np.hstack(images[n : n + 4]) for n in range(0, len(images) // 4 * 4, 4)]
        cv2.imwrite(str(options.sheet), cv2.cvtColor(np.vstack(rows_of), cv2.COLOR_RGB2BGR))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
