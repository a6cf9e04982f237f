"""Who is dreamt, the visitor or the room, in figures. ::

    python -m tests.bench.visitor_figures --source people_walking.mp4
    python -m tests.bench.visitor_figures --source webcam_signing.mp4 --from 20
    python -m tests.bench.visitor_figures --staged --source webcam_signing.mp4 --from 29.4

The video is looped and dreamt at 30 ticks a second and 320×180 from ``--from`` on. A visitor is what differs
from the room, and the room is, pixel by pixel, what is bright in the whole video (its 80th percentile): no
knowledge of the mirror's own. Another video needs a room brighter than its people.

* ``strength``: the log of the layer's activation norm in the output over that in the frame, under jitter, at
  the places of the visitor and outside of them; and the rms of the residual there. Means of three moments
  within 0.7 s, 3, 15 and 60 s after the first visitor, or as soon as one has been there for 2 s.
* ``left``: of the residual on a body, what is still at the same place of the image 2 s after it left: the
  share of the same residual (its projection), and the energy (rms over rms), new dreams included.

``--staged`` cuts the visitor out of one frame and lets them walk in, stand, walk and leave, in front of the
room and behind a noisy sensor, so that every motion is known:

* ``kept``: of the residual on the body, what is still at the same place of the body after a second of walking
  (projection), and its energy.
* ``arrival``: strength and rms on the body 2 s after it came to a stand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.errors import LivedreamError
from livedream.frame import Array, Image, crop_to_aspect, resize
from livedream.networks.catalogue import network_info
from livedream.runtimes.base import Backend
from livedream.runtimes.names import BACKENDS
from livedream.settings import Settings, parse_assignment
from livedream.sources import open_source

_SIZE = (320, 180)
_TICKS_HZ = 30
_AT_S = (3.0, 15.0, 60.0)
_OFFSETS_S = (-0.35, 0.0, 0.35)
_AFTER_S = 2.0
#: A place counts as left when it has been free from this long after a body covered it.
_FREE_AFTER_S = 0.7
_ROOM_PERCENTILE, _DIFFERENT_LEVELS = 80, 30
#: The least fraction of the image that is a visitor.
_VISITOR = 0.02
_SHIFTS, _JITTER_PX = 3, 16
#: The staged visit: when the visitor is how far right of where they were cut out. Nobody, walking in,
#: standing, walking, standing, leaving, nobody.
_STAGED_S = (0.0, 3.0, 4.5, 8.5, 11.5, 15.5, 17.0, 20.0)
_STAGED_PX = (-290, -290, -75, -75, 75, 75, 350, 350)
_STANDS_S, _WALKS_S = 4.5, 9.5
_BOB_PX, _NOISE_LEVELS = 2.0, 2.0


@dataclass(frozen=True)
class Seen:
    """A frame (RGB uint8), where the visitor is in it (bool (h, w)), when, and how far the body has moved."""

    frame: Image
    mask: Array
    time_s: float
    moved_px: tuple[float, float] = (0.0, 0.0)


class Room:
    """The empty room of a video, and who is in front of it."""

    def __init__(self, frames: Sequence[Image]) -> None:
        some = np.stack([_smooth(frame) for frame in frames[:: max(1, len(frames) // 60)]])
        order = np.argsort(some.min(3), 0)[len(some) * _ROOM_PERCENTILE // 100]
        self.image = np.take_along_axis(some, order[None, ..., None], 0)[0]

    def visitor(self, frame: Image) -> Array:
        """Where the largest thing is that does not belong to the room, its inside filled: bool (h, w)."""
        different = np.abs(_smooth(frame) - self.image).max(2) > _DIFFERENT_LEVELS
        found = cv2.morphologyEx(different.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5)))
        found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((15, 15)))
        found[-1] |= found[-4:].max(0)
        _, labels, sizes, _ = cv2.connectedComponentsWithStats(found)
        largest = 1 + int(sizes[1:, 4].argmax()) if len(sizes) > 1 else 0
        if sizes[largest, 4] < _VISITOR * found.size or not largest:
            return np.zeros(found.shape, bool)
        body = (labels == largest).astype(np.uint8)
        foot = np.flatnonzero(body[-1])
        if len(foot) and foot[-1] - foot[0] < _SIZE[0] / 2:
            body[-1, foot[0] : foot[-1]] = 1
        outlines, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return np.asarray(cv2.drawContours(body, outlines, -1, 1, cv2.FILLED) > 0)


def _smooth(frame: Image) -> Array:
    return cv2.GaussianBlur(frame, (0, 0), 1.5).astype(np.float32)


def video(frames: Sequence[Image], fps: float, first_s: float, seconds: float) -> Iterator[Seen]:
    """The looped video at the tick rate, from ``first_s`` on."""
    room, masks = Room(frames), dict[int, Array]()
    for n in range(round(seconds * _TICKS_HZ)):
        index = int((first_s + n / _TICKS_HZ) * fps) % len(frames)
        if index not in masks:
            masks[index] = room.visitor(frames[index])
        yield Seen(frames[index], masks[index], n / _TICKS_HZ)


def staged(frames: Sequence[Image], fps: float, first_s: float) -> Iterator[Seen]:
    """The visitor of one frame, walking in front of the room."""
    frame, room = frames[int(first_s * fps)], Room(frames)
    mask = room.visitor(frame)
    # Where mostly somebody stood, the wall around them.
    covered = np.mean([room.visitor(other) for other in frames[:: max(1, len(frames) // 60)]], 0) > 0.4
    hidden = cv2.dilate(covered.astype(np.uint8), np.ones((15, 15)))
    wall = cv2.inpaint(room.image.astype(np.uint8), hidden, 5, cv2.INPAINT_TELEA)
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
    rng = np.random.default_rng(0)
    for n in range(round(_STAGED_S[-1] * _TICKS_HZ)):
        now_s = n / _TICKS_HZ
        right = float(np.interp(now_s, _STAGED_S, _STAGED_PX))
        down = _BOB_PX * abs(float(np.sin(2 * np.pi * right / 50)))
        shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
        there = cv2.warpAffine(alpha, shift, _SIZE)
        body = cv2.warpAffine(frame, shift, _SIZE, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        image = wall + there[..., None] * (body - wall) + rng.normal(0, _NOISE_LEVELS, body.shape)
        yield Seen(np.clip(image, 0, 255).astype(np.uint8), there > 0.5, now_s, (right, down))


class Bench:
    """Dreams on a footage tick by tick; remembers what the figures need."""

    def __init__(self, dreamer: Dreamer, settings: Settings) -> None:
        self._dreamer, self._settings = dreamer, settings
        self._layer = network_info(settings.network).layer(settings.layer).name
        self.images: list[Image] = []

    def _tick(self, seen: Seen) -> Array:
        return self._dreamer.tick(seen.frame, self._settings, time_s=seen.time_s)

    def footage(self, footage: Iterator[Seen]) -> dict[str, Any]:
        """Strength and leavers, on a video."""
        wanted = [at + offset for at in _AT_S for offset in _OFFSETS_S]
        found: dict[float, list[dict[str, float]]] = {at: [] for at in _AT_S}
        came_s, next_s, there_s, leavers = None, 0.0, 0.0, Leavers()
        for seen in footage:
            residual, there = self._tick(seen), seen.mask.any()
            leavers.see(residual, seen.mask)
            if came_s is None and there:
                came_s = seen.time_s
            there_s = there_s + 1 / _TICKS_HZ if there else 0.0
            due = came_s is not None and wanted and seen.time_s >= max(came_s + wanted[0], next_s)
            if due and there_s >= _AFTER_S:
                found[_AT_S[-1 - (len(wanted) - 1) // len(_OFFSETS_S)]].append(self.strengths(residual, seen))
                next_s = seen.time_s + _OFFSETS_S[-1]
                del wanted[0]
        return {"strength": {at: _mean(figures) for at, figures in found.items()}} | {
            "left": leavers.figures()
        }

    def staged(self, footage: Iterator[Seen]) -> dict[str, Any]:
        """Arrival, and what is kept while walking, on a staged visit."""
        kept, arrival = list[dict[str, float]](), list[dict[str, float]]()
        leavers, past = Leavers(), deque[tuple[Array, Seen]](maxlen=_TICKS_HZ + 1)
        for seen in footage:
            residual = self._tick(seen)
            leavers.see(residual, seen.mask)
            past.append((residual, seen))
            if _WALKS_S + 0.4 < seen.time_s <= _WALKS_S + 1.6 and len(kept) < _TICKS_HZ:
                kept.append(_kept(*past[0], residual, seen))
            if any(
                abs(seen.time_s - _STANDS_S - _AFTER_S - offset) < 0.5 / _TICKS_HZ for offset in _OFFSETS_S
            ):
                arrival.append(self.strengths(residual, seen))
        return {"kept": _mean(kept), "arrival": _mean(arrival), "left": leavers.figures()}

    def strengths(self, residual: Array, seen: Seen) -> dict[str, float]:
        """Strength and rms on the visitor and on the room."""
        dreamt = np.clip(seen.frame + residual, 0, 255).astype(np.uint8)
        self.images.append(_shown(dreamt, seen.mask))
        backend, rng = self._dreamer.backend, np.random.default_rng(0)
        gains = []
        for shift in rng.integers(-_JITTER_PX, _JITTER_PX + 1, (_SHIFTS, 2)).tolist():
            mask = np.roll(seen.mask, shift, (0, 1)).astype(np.float32)
            norms = [
                _norms(backend, self._layer, np.roll(image, shift, (0, 1)), mask)
                for image in (dreamt, seen.frame)
            ]
            gains.append(np.log(norms[0] / norms[1]))
        visitor, room = np.mean(gains, 0).tolist()
        square = np.square(residual).mean(2)
        figures = {"visitor": visitor, "room": room, "visitor_over_room": visitor / room}
        rms = {"rms_visitor": seen.mask, "rms_room": ~seen.mask}
        return figures | {name: float(np.sqrt(square[mask].mean())) for name, mask in rms.items()}


def _norms(backend: Backend, layer: str, image: Image, mask: Array) -> Array:
    """The norm of the layer's activation on the visitor and on the room."""
    features = backend.features(image.astype(np.float32) / 255, layer)
    columns = round((features.shape[1] * _SIZE[0] / _SIZE[1]) ** 0.5)
    rows = features.shape[1] // columns
    assert rows * columns == features.shape[1]
    share = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA).ravel()
    energy = np.square(features).sum(0)
    return np.sqrt([(energy * share).sum(), (energy * (1 - share)).sum()])


def _kept(before: Array, then: Seen, now: Array, seen: Seen) -> dict[str, float]:
    """What of the residual ``before`` is still at its place on the body ``now``."""
    moved = np.array(seen.moved_px) - np.array(then.moved_px)
    back = np.array([[1, 0, -moved[0]], [0, 1, -moved[1]]], np.float32)
    now = cv2.warpAffine(now, back, _SIZE)
    inside = cv2.erode(then.mask.astype(np.uint8), np.ones((7, 7))) > 0
    inside &= cv2.warpAffine(seen.mask.astype(np.uint8), back, _SIZE) > 0
    return _shares(before[inside], now[inside])


def _shares(before: Array, now: Array) -> dict[str, float]:
    whole = float(np.square(before).sum())
    return {
        "same": float((before * now).sum()) / whole,
        "energy": (float(np.square(now).sum()) / whole) ** 0.5,
    }


class Leavers:
    """What is left of the dream on a body, at the same place, after it has gone."""

    def __init__(self) -> None:
        self._past = deque[tuple[Array, Array, Array]](maxlen=round(_AFTER_S * _TICKS_HZ) + 1)
        self._before: list[Array] = []
        self._now: list[Array] = []

    def see(self, residual: Array, mask: Array) -> None:
        """Take a tick's residual and where the visitor is."""
        inner, outer = (op(mask.astype(np.uint8), np.ones((9, 9))) > 0 for op in (cv2.erode, cv2.dilate))
        self._past.append((residual.copy(), inner, outer))
        if len(self._past) < round(_AFTER_S * _TICKS_HZ) + 1:
            return
        # Covered at first, never again, and entirely free soon.
        left = self._past[0][1].copy()
        for _, inner, _ in list(self._past)[1:]:
            left &= ~inner
        for _, _, outer in list(self._past)[round(_FREE_AFTER_S * _TICKS_HZ) :]:
            left &= ~outer
        self._before.append(self._past[0][0][left])
        self._now.append(residual[left])

    def figures(self) -> dict[str, float]:
        """The shares over everything that was left, and how many pixels that were."""
        before, now = (np.concatenate(parts or [np.ones((0, 3))]) for parts in (self._before, self._now))
        return _shares(before, now) | {"pixels": len(before)} if len(before) else {}


def _shown(dreamt: Image, mask: Array) -> Image:
    """An output, with the visitor's outline drawn in."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(dreamt.copy(), outlines, -1, (255, 255, 0), 1))


def _mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([found[name] for found in figures])) for name in (figures or [{}])[0]}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _rounded(part) for name, part in value.items()}
    return value if isinstance(value, str) else round(float(value), 3)


def _frames(source: str) -> tuple[list[Image], float]:
    with open_source(source, loop=False, realtime=False) as opened:
        shown = (crop_to_aspect(frame.image, _SIZE[0] / _SIZE[1]) for frame in opened)
        return [
            np.ascontiguousarray(resize(image, *_SIZE)) for image in islice(shown, 3000)
        ], opened.fps or 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as asked; the figures go to standard output as JSON. Returns the exit code."""
    parser = argparse.ArgumentParser("python -m tests.bench.visitor_figures", description=__doc__)
    parser.add_argument("--source", required=True, metavar="VIDEO")
    parser.add_argument("--from", dest="first_s", type=float, default=0.0, metavar="S")
    parser.add_argument("--seconds", type=float, default=75.0, metavar="S", help="at most this long")
    parser.add_argument("--staged", action="store_true", help="a visitor whose every motion is known")
    parser.add_argument("--network", default="dreamnet")
    parser.add_argument("--weights", type=Path, metavar="FILE")
    parser.add_argument("--backend", default="auto", choices=["auto", *BACKENDS])
    parser.add_argument("--layer", default="parts")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any setting")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png", help="the outputs that were measured")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        settings = Settings(network=options.network, layer=options.layer, working_px=_SIZE[0])
        for text in options.set:
            settings = settings.replace(**parse_assignment(text))
        frames, fps = _frames(options.source)
        dreamer = Dreamer(options.network, weights=options.weights, backend=options.backend)
        try:
            bench = Bench(dreamer, settings)
            if options.staged:
                figures = bench.staged(staged(frames, fps, options.first_s))
            else:
                figures = bench.footage(video(frames, fps, options.first_s, options.seconds))
        finally:
            dreamer.close()
    except LivedreamError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    found = {"source": Path(options.source).name, "backend": dreamer.backend.name} | figures
    text = json.dumps(_rounded(found), indent=1)
    sys.stdout.write(text + "\n")
    if options.json:
        options.json.write_text(text)
    if options.sheet:
        rows = [np.hstack(bench.images[n : n + 3]) for n in range(0, len(bench.images) // 3 * 3, 3)]
        cv2.imwrite(str(options.sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
