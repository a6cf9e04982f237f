"""How the live dream compares with the classic loop: strength, economy, flicker, legibility, cost.

Both dream on the same frames of a video, with the same network on the same backend, in one run::

    python -m tests.bench.dream_figures --source VIDEO --network bvlc_googlenet --weights FILE \
        --layer 4c --then 3b --json figures.json --sheet sheet.png

The live dream runs at its default settings, but for ``--set``; the video's frames are scaled and cropped to
320×180. Strength: the log of the layer's activation norm in the output over that in the frame, under jitter.
Economy is what it is bought with: ``rms``, the levels that the dream changes, ``fine``, those of them that a
Gaussian of σ 1 px removes, strength per level, the ``coarse`` share of the change's energy (σ 4 px and more),
and, with ``--teacher`` (weights of ``bvlc_googlenet``), the classifier's mean confidence on crops.
Flicker is the mean difference of an output from the one before, moved along by the camera's own motion,
outside of what was hidden, in levels of 255: for every third frame from the 60th to the 120th; the classic
loop's at three of them. Motion counts where it explains the camera's pictures better than standing still;
``by_flow_alone`` counts all of it. Cost is processor time, of both by turns. Last comes another layer,
``--then``; its frames count from the end of the fade.

``--rates 15 30 60`` instead dreams the video at each of these tick rates, with the same steps a second: the
strength and the rms change of the image, in levels, after 1, 3 and 6 s; the sheet has a row for each rate.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livedream.dream.ascent import classic_dream
from livedream.dream.dreamer import Dreamer
from livedream.errors import LivedreamError, UsageError
from livedream.frame import Array, Image, crop_to_aspect, resize
from livedream.networks.catalogue import network_info
from livedream.networks.objective import LAYER_L2
from livedream.runtimes.names import BACKENDS
from livedream.settings import Settings, parse_assignment
from livedream.sources import open_source
from tests.bench.measures import Motion, clipped, crops, economy, legibility, strength
from tests.bench.rates import AT_S, FPS, Rated, dreamt_at

_SIZE = (320, 180)
_FPS = 30
_STRENGTH_AT = (10, 20, 30, 60, 120)
_FLICKER_AT = range(60, 121, 3)
_CLASSIC_FLICKER_AT = (60, 90, 120)
_TURNS, _TICKS = 5, 20
_CUT_LEVELS = 12.0
_AFTER_CHANGE = (0, 10, 30, 60)


class Bench:
    """One video, one network and one layer, dreamt live and by the classic loop."""

    def __init__(
        self,
        frames: Sequence[Image],
        dreamer: Dreamer,
        settings: Settings,
        teacher: Callable[[Image], float] | None = None,
    ) -> None:
        self.frames, self.dreamer, self.settings, self._teacher = frames, dreamer, settings, teacher
        self.info = network_info(settings.network)
        self.layer = self.info.layer(settings.layer).name
        self.live: list[Image] = []
        self.classic: dict[int, Image] = {}
        self.rated: dict[int, Rated] = {}
        self._rng = np.random.default_rng(1)

    def tick(self, n: int, settings: Settings) -> None:
        """Dream live on frame number ``n``."""
        residual = self.dreamer.tick(self.frames[n], settings, time_s=n / _FPS)
        self.live.append(_over(self.frames[n], residual * settings.strength))

    def classic_of(self, n: int, layer: str) -> Image:
        """Frame number ``n``, dreamt by the original algorithm."""
        backend = self.dreamer.backend
        image = self.frames[n].astype(np.float32) / 255
        dreamt = classic_dream(image, lambda x: backend.gradient(x, layer, LAYER_L2).gradient, self._rng)
        return np.asarray((dreamt * 255).round(), np.uint8)

    def strength(self, dreamt: Image, n: int, layer: str) -> float:
        """Strength of a dream of frame number ``n``."""
        return strength(self.dreamer.backend, layer, dreamt, self.frames[n])

    def run(self) -> dict[str, Any]:
        """The figures for the layer."""
        tick_ms, classic_ms = self._cost()
        by_classic = set(_STRENGTH_AT) | {m for n in _CLASSIC_FLICKER_AT for m in (n - 1, n)}
        for n in range(_STRENGTH_AT[-1] + 1):
            self.tick(n, self.settings)
            if n in by_classic:
                self.classic[n] = self.classic_of(n, self.layer)
        frames, live, classic = self.frames, self.live, self.classic
        strengths = {n: self.strength(live[n], n, self.layer) for n in _STRENGTH_AT}
        classics = {n: self.strength(classic[n], n, self.layer) for n in _STRENGTH_AT}
        settled = [n for n in _STRENGTH_AT if n >= _FLICKER_AT[0]]
        gain, classic_gain = (np.mean([found[n] for n in settled]) for found in (strengths, classics))
        return {
            "layer": self.layer,
            "strength": strengths,
            "classic_strength": classics,
            "strength_over_classic": {n: strengths[n] / classics[n] for n in _STRENGTH_AT},
            "economy": {
                "live": self._economy(live, strengths),
                "classic": self._economy(classic, classics),
            },
            "classic_ms_over_tick": classic_ms / tick_ms,
            "strength_per_ms_over_classic": gain / classic_gain * classic_ms / tick_ms,
            "ms": {"tick": tick_ms, "classic": classic_ms, "parts": self._parts()},
            "flicker": self._flicker() | {"by_flow_alone": self._flicker(alone=True)},
            "legibility": np.mean([legibility(live[n], frames[n]) for n in settled]),
            "clipped": max(clipped(live[n], frames[n]) for n in settled),
        }

    def _economy(
        self, pictures: Sequence[Image] | dict[int, Image], strengths: dict[int, float]
    ) -> dict[int, dict[str, float]]:
        found = {n: economy(pictures[n], self.frames[n]) for n in _STRENGTH_AT}
        for n, figures in found.items():
            figures["strength_per_level"] = strengths[n] / figures["rms"]
            if self._teacher is not None:
                figures["confidence"] = self._teacher(pictures[n])
        return found

    def _cost(self) -> tuple[float, float]:
        """Milliseconds of processor time of a tick and of the classic loop, medians, measured by turns."""
        ticks, classics = [], []
        for turn in range(_TURNS + 1):
            start = time.thread_time()
            for n in range(_TICKS):
                self.dreamer.tick(self.frames[turn * _TICKS + n], self.settings)
            between = time.thread_time()
            self.classic_of(turn, self.layer)
            ticks.append((between - start) * 1e3 / _TICKS)
            classics.append((time.thread_time() - between) * 1e3)
        self.dreamer.reset()
        return float(np.median(ticks[1:])), float(np.median(classics[1:]))

    def _parts(self) -> dict[str, float]:
        return {name: ms.p50 for name, ms in self.dreamer.timer.summary().items()}

    def _flicker(self, alone: bool = False) -> dict[str, Any]:
        motions = {n: Motion(self.frames[n], self.frames[n - 1]) for n in _FLICKER_AT}

        def mean(pictures: Sequence[Image] | dict[int, Image], numbers: Sequence[int]) -> float:
            flows = {n: motions[n].flow_alone if alone else None for n in numbers}
            changes = [motions[n].change(pictures[n], pictures[n - 1], flow) for n, flow in flows.items()]
            return float(np.mean(changes))

        live, camera = mean(self.live, _FLICKER_AT), mean(self.frames, _FLICKER_AT)
        classic = mean(self.classic, _CLASSIC_FLICKER_AT)
        return {
            "live": live,
            "classic": classic,
            "camera": camera,
            "live_over_camera": live / camera,
            "classic_over_live": classic / live,
            "classic_over_live_above_camera": (classic - camera) / max(1e-9, live - camera),
        }

    def change(self, layer: str) -> dict[str, Any]:
        """Go on with another layer."""
        name = self.info.layer(layer).name
        start = len(self.live)
        faded = start + round(self.settings.crossfade_s * _FPS)
        for n in range(start, faded + _AFTER_CHANGE[-1] + 1):
            self.tick(n, self.settings.replace(layer=name))
        return {
            "to": name,
            "strength_over_classic": {
                n: self.strength(self.live[faded + n], faded + n, name)
                / self.strength(self.classic_of(faded + n, name), faded + n, name)
                for n in _AFTER_CHANGE
            },
            "largest_change_over_usual": self._largest(range(start, len(self.live)))
            / self._largest(range(start - 30, start)),
        }

    def _largest(self, numbers: Sequence[int]) -> float:
        """The largest change between two outputs beyond the camera's own; cuts in the video do not count."""

        def change(pictures: Sequence[Image], n: int) -> float:
            return float(cv2.absdiff(pictures[n], pictures[n - 1]).mean())

        camera = {n: change(self.frames, n) for n in numbers}
        return max(change(self.live, n) - camera[n] for n in numbers if camera[n] < _CUT_LEVELS)

    def at_rates(self, rates_hz: Sequence[int]) -> dict[str, Any]:
        """The same dream at several tick rates, as figures."""
        for rate_hz in rates_hz:
            self.rated[rate_hz] = dreamt_at(rate_hz, self.frames, self.dreamer, self.settings, self.layer)
        return {
            "layer": self.layer,
            "rates": {
                hz: {"strength": rated.strength, "rms_change": rated.rms_change}
                for hz, rated in self.rated.items()
            },
        }

    def sheet(self) -> Image:
        """Rows of images: camera, live dream and classic loop at each measured frame; or one row a rate."""
        if self.rated:
            return np.vstack([np.hstack(rated.images) for rated in self.rated.values()])
        rows = (self.frames, self.live, self.classic)
        return np.vstack([np.hstack([row[n] for n in _STRENGTH_AT]) for row in rows])


def _confidence(weights: Path) -> Callable[[Image], float]:
    """From an image to the highest class probability, in the mean over its crops, by ``bvlc_googlenet``."""
    import torch

    from livedream.networks.architectures.bvlc_googlenet import load

    network = load(weights)

    def confidence(image: Image) -> float:
        batch = torch.from_numpy(crops(image)).permute(0, 3, 1, 2) / 255
        with torch.no_grad():
            return float(network.classify(batch).softmax(1).amax(1).mean())

    return confidence


def _over(frame: Image, residual: Array) -> Image:
    return np.clip(frame + residual, 0, 255).astype(np.uint8)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _rounded(part) for name, part in value.items()}
    return value if isinstance(value, str) else round(float(value), 3)


def frames_of(source: str, count: int) -> list[Image]:
    """The first frames of a video, scaled and cropped to 320×180. Raises ``UsageError`` for too few."""
    with open_source(source, loop=False, realtime=False) as opened:
        shown = (crop_to_aspect(frame.image, _SIZE[0] / _SIZE[1]) for frame in islice(opened, count))
        frames = [np.ascontiguousarray(resize(image, *_SIZE)) for image in shown]
    if len(frames) < count:
        raise UsageError(f"{source} has {len(frames)} frames; the figures need {count}")
    return frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked; the figures go to standard output as JSON. Returns the exit code."""
    parser = argparse.ArgumentParser("python -m tests.bench.dream_figures", description=__doc__)
    parser.add_argument("--source", required=True, metavar="VIDEO")
    parser.add_argument("--network", default="bvlc_googlenet")
    parser.add_argument("--weights", type=Path, metavar="FILE")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--backend", default="pytorch", choices=["auto", *BACKENDS], help="what runs both")
    parser.add_argument("--layer", default="4c")
    parser.add_argument("--then", metavar="LAYER", help="change to this layer afterwards")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting")
    parser.add_argument("--rates", type=int, nargs="+", metavar="HZ", help="compare these tick rates instead")
    parser.add_argument("--teacher", type=Path, metavar="FILE", help="weights of bvlc_googlenet, to classify")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        settings = Settings(network=options.network, layer=options.layer)
        for text in options.set:
            settings = settings.replace(**parse_assignment(text))
        count = (AT_S[-1] * FPS if options.rates else _STRENGTH_AT[-1]) + 1
        if options.then:
            count += round(settings.crossfade_s * _FPS) + _AFTER_CHANGE[-1] + 1
        bench = Bench(
            frames_of(options.source, count),
            dreamer := Dreamer(
                options.network,
                weights=options.weights,
                device=options.device,
                backend=options.backend,
                threads=options.threads,
            ),
            settings,
            _confidence(options.teacher) if options.teacher else None,
        )
        try:
            found: dict[str, Any] = {"source": Path(options.source).name}
            found |= bench.at_rates(options.rates) if options.rates else bench.run()
            found["backend"] = dreamer.backend.name
            if options.then and not options.rates:
                found["change"] = bench.change(options.then)
        finally:
            dreamer.close()
    except LivedreamError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    text = json.dumps(_rounded(found), indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text)
    if options.sheet:
        cv2.imwrite(str(options.sheet), cv2.cvtColor(bench.sheet(), cv2.COLOR_RGB2BGR))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
