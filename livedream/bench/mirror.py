"""The mirror's dream on a video, and beside it, frame by frame, the classic loop and the forerunners'."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import cv2
import numpy as np

from livedream.bench.forerunner import ForerunnerLoop
from livedream.bench.report import CurveRow, LoopRow, MirrorRow
from livedream.bench.subjects import activation_norm, gradient
from livedream.bench.timing import Clock, mean_ms
from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Frame, Image, resize
from livedream.networks.catalogue import network_info
from livedream.settings import Settings

#: The rate at which a video is dreamt, whatever its own is: that of most cameras.
_FPS = 30
#: Frames before anything is timed: until then graphs are opened, and the dream begins with few octaves.
WARM_UP = 24
#: Ticks differ, as each takes another octave; over so many the octaves come round.
_BLOCK = 12
#: The classic loop begins anew with each frame, so it takes part in only a few.
_CLASSIC_EVERY = 24
#: The dream has settled from this part of the frames on: there the strength is measured, at so many of them.
_SETTLED, _STRENGTHS = 0.5, 5
_SHIFTS, _JITTER_PX = 4, 16

CURVE_SIZES = (
    (128, 72), (192, 108), (256, 144), (320, 180), (448, 252), (640, 360), (960, 540), (1280, 720)
)  # fmt: skip
CURVE_STEPS = (1, 2, 4, 8, 16)
_CURVE_TICKS = 5
_CURVE_S = 1.0


@dataclass
class _Loop:
    """One way of dreaming: its times and its strengths."""

    times_ms: list[float] = field(default_factory=list)
    strengths: list[float] = field(default_factory=list)

    def row(self, block: int = 1) -> LoopRow:
        frame_ms = mean_ms(self.times_ms, block)
        strength = statistics.fmean(self.strengths) if self.strengths else 0.0
        return LoopRow(round(frame_ms, 3), round(strength, 4), round(strength / frame_ms, 5))


class _Trial:
    """Three ways of dreaming on the same frames, with one dreamer's network, layer and runtime."""

    def __init__(self, dreamer: Dreamer, settings: Settings, count: int, clock: Clock) -> None:
        self._dreamer, self._settings, self._clock = dreamer, settings, clock
        self.layer = network_info(settings.network).layer(settings.layer).name
        self._forerunner = ForerunnerLoop(lambda image: gradient(dreamer, image, self.layer))
        self.mirror, self.classic, self.before = _Loop(), _Loop(), _Loop()
        settled = max(WARM_UP, count * _SETTLED)
        self._judged = set(np.linspace(settled, count - 1, _STRENGTHS).astype(int).tolist())
        self.size = (0, 0)

    def dream(self, number: int, image: Image) -> None:
        """Dream on frame ``number``, each way by turns."""
        dreamer, settings = self._dreamer, self._settings
        tick = partial(dreamer.tick, image, settings, time_s=number / _FPS)
        residual = self._timed(self.mirror, number, tick)
        self.size = residual.shape[1], residual.shape[0]
        small: Image = np.ascontiguousarray(resize(image, *self.size))
        dreams = [
            (self.mirror, over(small, residual * settings.strength)),
            (self.before, self._timed(self.before, number, partial(self._forerunner, small))),
        ]
        judged = number in self._judged
        if judged or number % _CLASSIC_EVERY == 0:
            classic = partial(dreamer.classic, small, settings)
            dreams.append((self.classic, self._timed(self.classic, number, classic)))
        if judged:
            camera = self._norms(small)
            for loop, dreamt in dreams:
                loop.strengths.append(_mean_log(self._norms(dreamt), camera))

    def _timed(self, loop: _Loop, number: int, dream: Callable[[], Array]) -> Array:
        start = self._clock()
        dreamt = dream()
        if number >= WARM_UP:
            loop.times_ms.append((self._clock() - start) * 1e3)
        return dreamt

    def _norms(self, image: Image) -> list[float]:
        """The layer's activation norm for the image under a few random shifts, the same each time."""
        rng = np.random.default_rng(0)
        shifts = rng.integers(-_JITTER_PX, _JITTER_PX + 1, (_SHIFTS, 2)).tolist()
        return [activation_norm(self._dreamer, np.roll(image, shift, (0, 1)), self.layer) for shift in shifts]


def measure_mirror(
    dreamer: Dreamer,
    settings: Settings,
    frames: Iterable[Frame],
    count: int,
    source: str,
    *,
    progress: Callable[[], object] = lambda: None,
    clock: Clock = time.perf_counter,
) -> MirrorRow | None:
    """Dream on ``count`` frames, of which the first are not timed; None when there are too few."""
    trial = _Trial(dreamer, settings, count, clock)
    done = 0
    for frame in islice(frames, count):
        trial.dream(done, frame.image)
        done += 1
        progress()
    if done <= WARM_UP + _BLOCK:
        return None
    ticks = trial.mirror.row(_BLOCK)
    return MirrorRow(
        source,
        done,
        settings.network,
        trial.layer,
        *trial.size,
        dreamer.backend.name,
        ticks.frame_ms,
        round(1e3 / ticks.frame_ms, 2),
        ticks.strength,
        ticks.strength_per_ms,
        trial.classic.row(),
        trial.before.row(),
    )


def over(frame: Image, residual: Array) -> Image:
    """A residual, in levels, laid over its frame."""
    return np.clip(frame + residual, 0, 255).astype(np.uint8)


def _mean_log(dreamt: Iterable[float], camera: Iterable[float]) -> float:
    """The mean log of the ratios."""
    return statistics.fmean(
        math.log(max(a, 1e-12) / max(b, 1e-12)) for a, b in zip(dreamt, camera, strict=True)
    )


def measure_curve(
    dreamer: Dreamer,
    settings: Settings,
    size: tuple[int, int],
    *,
    steps: Iterable[int] = CURVE_STEPS,
    seconds: float = _CURVE_S,
    clock: Clock = time.perf_counter,
) -> Iterator[CurveRow]:
    """A tick on one octave at (width, height), for each number of steps.

    A picture that moves slowly stands in for the camera.
    """
    width, height = size
    noise = np.random.default_rng(0).random((height // 4, width // 4 + 32, 3), np.float32)
    wide = cv2.resize(noise, (width + 128, height), interpolation=cv2.INTER_CUBIC)
    picture = np.asarray(np.clip(wide, 0, 1) * 255, np.uint8)
    dreamer.reset()
    tick = 0
    for number in steps:
        asked = settings.replace(working_px=max(width, height), steps=number, octaves=1)
        times: list[float] = []
        started = clock()
        while len(times) < _CURVE_TICKS + 1 and (len(times) < 4 or clock() - started < seconds):
            left = tick % 128
            image = np.ascontiguousarray(picture[:, left : left + width])
            start = clock()
            dreamer.tick(image, asked, time_s=tick / _FPS)
            times.append((clock() - start) * 1e3)
            tick += 1
        ms = statistics.median(times[1:])  # the first may open a graph
        yield CurveRow(width, height, number, round(ms, 3), round(ms * 1e6 / (width * height * number), 3))
