"""How the dream bears what is hard for a mirror: the dark, noise, a window behind, haste, a crowd, stillness.

::

    python -m tests.bench.hard --source VIDEO --network dreamnet --layer parts --sheet sheet.png

Each clip of :mod:`tests.bench.conditions` is dreamt at 30 ticks a second and 320×180. The figures are means
over every third frame of the last second: ``strength`` of the dream laid over the image without noise;
``rms`` of the residual and its ``fine`` part (what a Gaussian of σ 1 px takes away), in levels; both again on
``plain`` parts, where the image without noise has next to no contrast; ``flicker``, how much the residual
changes in a tick, moved along with the image; ``attached``, its correlation with that of ten frames ago,
moved along.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image
from livedream.networks.catalogue import network_info
from livedream.settings import Settings, parse_assignment
from livedream.vision.flow import warp_along
from tests.bench.conditions import CONDITIONS, Clip
from tests.bench.dream_figures import frames_of
from tests.bench.measures import Motion, strength

_FPS = 30
_MEASURED, _EVERY, _AGO = 30, 3, 10
_PLAIN_LEVELS, _PLAIN_PX = 4.0, 15


def plain(image: Image) -> Array:
    """Where an image has next to no contrast: boolean (h, w)."""
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
    mean = cv2.blur(grey, (_PLAIN_PX, _PLAIN_PX))
    variance = cv2.blur(grey * grey, (_PLAIN_PX, _PLAIN_PX)) - mean * mean
    return np.asarray(variance < _PLAIN_LEVELS**2)


def fine(residual: Array) -> Array:
    """What a Gaussian of σ 1 px takes away."""
    return np.asarray(residual - cv2.GaussianBlur(residual, (0, 0), 1))


def rms(x: Array) -> float:
    """Root mean square."""
    return float(np.sqrt(np.square(x).mean())) if x.size else float("nan")


def figures(clip: Clip, dreamer: Dreamer, settings: Settings) -> tuple[dict[str, float], Image]:
    """The figures of one clip, and what a visitor sees at its end."""
    layer = network_info(settings.network).layer(settings.layer).name
    dreamer.reset()
    residuals: list[Array] = []
    start = time.thread_time()
    for n, frame in enumerate(clip.frames):
        residuals.append(dreamer.tick(frame, settings, time_s=n / _FPS).copy())
    cost_ms = (time.thread_time() - start) * 1e3 / len(residuals)
    last = range(len(residuals) - _MEASURED, len(residuals))
    motions = {n: Motion(clip.clean[n], clip.clean[n - 1]) for n in range(last[0] - _AGO + 1, last[-1] + 1)}
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for n in last[::_EVERY]:
        residual, image = residuals[n], clip.clean[n]
        wall = plain(image)
        note("strength", strength(dreamer.backend, layer, over(image, residual), image))
        note("rms", rms(residual))
        note("fine", rms(fine(residual)))
        note("plain", rms(residual[wall]))
        note("plain_fine", rms(fine(residual)[wall]))
        note("flicker", motions[n].change(residual, residuals[n - 1]))
        ago = residuals[n - _AGO]
        for m in range(n - _AGO + 1, n + 1):
            ago = warp_along(ago, motions[m].flow)
        note("attached", float(np.corrcoef(ago.ravel(), residual.ravel())[0, 1]))
    return {name: float(np.nanmean(values)) for name, values in found.items()} | {"tick_ms": cost_ms}, over(
        clip.frames[-1], residuals[-1]
    )


def over(image: Image, residual: Array) -> Image:
    """A dream laid over an image."""
    return np.clip(image + residual, 0, 255).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked; the figures go to standard output as JSON. Returns the exit code."""
    parser = argparse.ArgumentParser("python -m tests.bench.hard", description=__doc__)
    parser.add_argument("--source", required=True, metavar="VIDEO")
    parser.add_argument("--network", default="dreamnet")
    parser.add_argument("--weights", type=Path, metavar="FILE")
    parser.add_argument("--layer", default="parts")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--conditions", nargs="+", default=list(CONDITIONS), choices=list(CONDITIONS))
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--skip", type=int, default=0, help="frames of the video to leave out first")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="camera and dream of each clip")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    settings = Settings(network=options.network, layer=options.layer)
    for text in options.set:
        settings = settings.replace(**parse_assignment(text))
    video = frames_of(options.source, options.skip + options.frames)[options.skip :]
    rows: dict[str, list[dict[str, float]]] = {}
    pictures: dict[str, Image] = {}
    for seed in options.seeds:
        dreamer = Dreamer(options.network, weights=options.weights, backend=options.backend, seed=seed)
        for name in options.conditions:
            clip = CONDITIONS[name](video)
            row, picture = figures(clip, dreamer, settings)
            rows.setdefault(name, []).append(row)
            pictures[name] = np.vstack([clip.frames[-1], picture])
        dreamer.close()
    for name, found in rows.items():
        means = {key: round(float(np.mean([row[key] for row in found])), 3) for key in found[0]}
        sys.stdout.write(json.dumps({"clip": name} | means) + "\n")
    if options.sheet:
        sheet = np.hstack(list(pictures.values()))
        cv2.imwrite(str(options.sheet), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
