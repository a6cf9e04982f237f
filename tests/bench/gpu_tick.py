"""The dream's whole tick on a GPU, by every runtime there, at several working sizes.

    python -m tests.bench.gpu_tick --network bvlc_googlenet --layer parts --sizes 320x180 640x360 --json FILE

The dreamer is the mirror's: where the tick runs on the GPU as a whole, ``name`` says so. A picture that moves
slowly stands in for the camera. ``--device cpu`` tries it without a GPU. ``--seconds`` bounds the whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livedream.bench.subjects import open_dreamer
from livedream.bench.timing import mean_ms
from livedream.frame import Image
from livedream.runtimes.names import BACKENDS
from livedream.settings import Settings

_FPS, _WARM_UP, _BLOCK = 30, 36, 12


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.gpu_tick", description=__doc__)
    p.add_argument("--network", default="dreamnet")
    p.add_argument("--layer", default="parts")
    p.add_argument("--sizes", nargs="+", default=["320x180"])
    p.add_argument("--runtimes", nargs="+", default=list(BACKENDS))
    p.add_argument("--device", default="cuda")
    p.add_argument("--ticks", type=int, default=240)
    p.add_argument("--seconds", type=float, default=120.0)
    p.add_argument("--json", type=Path, required=True)
    options = p.parse_args()
    ends_s, rows = time.monotonic() + options.seconds, []
    try:
        for runtime in options.runtimes:
            for text in options.sizes:
                row = {"network": options.network, "layer": options.layer, "size": text, "runtime": runtime}
                rows.append(row | _measured(options, runtime, text, ends_s))
    finally:  # what was measured stays
        options.json.write_text(json.dumps(rows, indent=2) + "\n")
    sys.stdout.write(json.dumps(rows) + "\n")


def _measured(options: argparse.Namespace, runtime: str, size: str, ends_s: float) -> dict[str, Any]:
    if time.monotonic() > ends_s:
        return {"error": "no time left"}
    width, height = map(int, size.split("x"))
    settings = Settings(network=options.network, layer=options.layer, working_px=max(width, height))
    try:
        dreamer = open_dreamer(options.network, None, options.device, runtime, 1)
    except Exception as error:  # a driver may raise anything; the others go on
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    picture, times = _pictures((width, height)), []
    try:
        for n in range(_WARM_UP + options.ticks):
            image = picture(n)
            start = time.perf_counter()
            dreamer.tick(image, settings, time_s=n / _FPS)
            times.append((time.perf_counter() - start) * 1e3)
            if time.monotonic() > ends_s:
                break
        measured = times[_WARM_UP:]
        if not measured:
            return {"error": "no time left"}
        ms = mean_ms(measured, _BLOCK)
        return {
            "tick_ms": round(ms, 3),
            "ticks_per_s": round(1e3 / ms, 1),
            "p95_ms": round(float(np.percentile(measured, 95)), 3),
            "name": dreamer.backend.name,
        }
    except Exception as error:
        return {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}
    finally:
        dreamer.close()


def _pictures(size: tuple[int, int]) -> Callable[[int], Image]:
    """Frame number n of a picture that moves slowly to the left."""
    width, height = size
    noise = np.random.default_rng(0).random((height // 8, width // 8 + 8, 3), np.float32)
    wide = np.asarray(cv2.resize(noise, (width + 64, height), interpolation=cv2.INTER_CUBIC).clip(0, 1))
    picture = (wide * 255).astype(np.uint8)
    return lambda n: np.ascontiguousarray(picture[:, n % 64 : n % 64 + width])


if __name__ == "__main__":
    main()
