"""The real mirror, dreaming here and in a room, by turns: rate, latency, and the dream itself.

::

    python -m tests.bench.room_live --source VIDEO --turns 2 --delay-ms 20 --jitter-ms 10 --loss 1
    python -m tests.bench.room_live --source VIDEO --kill-at 10

The mirror runs in a window under Xvfb and, with a network, in a namespace of its own: see
:mod:`tests.bench.network`. Its pictures are compared with the camera's, at working size, twice a second:
``strength`` of the layer, ``rms`` of the change in levels, and ``attached``, the correlation of the change
with that of a sixth of a second before, moved along with what the camera shows. ``frames_hz`` are the
camera's frames that were shown; a new residual in between makes a picture, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np

from livedream.cli.main import main as livedream
from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image, resize, working_size
from livedream.networks.catalogue import network_info
from livedream.show.mirror import Mirror
from livedream.timing import summarise
from tests.bench.measures import Motion, strength
from tests.bench.network import Network, Shape
from tests.bench.room_servers import Room, add_room_options, network_of, open_room

ROOT = Path(__file__).resolve().parents[2]
_SAMPLES_HZ, _APART_S = 2.0, 1 / 6
_SIZE = "640x360"


@dataclass
class Watch:
    """The mirror of this process: when it showed pictures, and some of them. Times are monotonic seconds."""

    settle_s: float
    working_px: int
    shown_s: list[float] = field(default_factory=list)
    frames: set[int] = field(default_factory=set)  # of the camera, that were shown
    ages_ms: list[float] = field(default_factory=list)
    residuals_s: list[float] = field(default_factory=list)
    samples: list[tuple[Image, Image]] = field(default_factory=list)  # the camera's, the mirror's
    there: list[bool] = field(default_factory=list)  # whether the room dreamt
    sizes: Counter[str] = field(default_factory=Counter)
    began_s: float | None = None
    _seq: int = 0

    def see(self, mirror: Mirror, now: float) -> None:
        """After a picture was shown."""
        picture = mirror._picture
        frame, residual, scene = picture.frame, picture.residual, picture.scene
        if frame is None or residual is None or scene is None or scene.dream is None:
            return
        self.began_s = self.began_s or now
        if now - self.began_s < self.settle_s:
            return
        self.shown_s.append(time.monotonic())
        self.frames.add(frame.index)
        self.ages_ms.append((frame.time_s - residual.time_s) * 1e3)
        self.there.append(bool(mirror._feeds.dream.dream_at))
        self.sizes["×".join(map(str, mirror._feeds.dream.working_size))] += 1
        if residual.seq != self._seq:
            self._seq = residual.seq
            self.residuals_s.append(now)
        due_s = self.began_s + self.settle_s + (len(self.samples) // 2) / _SAMPLES_HZ
        if now >= due_s + _APART_S * (len(self.samples) % 2):
            # Always the same size: a room may dream at less, where its share is small.
            size = working_size(*scene.size, self.working_px)
            camera = scene.image[:, ::-1] if scene.mirror else scene.image
            self.samples.append((_at(camera, size), _at(scene.picture(), size)))

    def run(self, words: Sequence[str]) -> None:
        """Run the mirror until it ends."""
        show = Mirror._show

        def watched(mirror: Mirror, now: float) -> None:
            show(mirror, now)
            self.see(mirror, now)

        with patch.object(Mirror, "_show", watched):
            livedream(words)

    def figures(self, layer: str) -> dict[str, Any]:
        """What it was like."""
        dreamer = Dreamer(threads=1)
        name = network_info("dreamnet").layer(layer).name
        strengths = [strength(dreamer.backend, name, dreamt, camera) for camera, dreamt in self.samples]
        changes = [np.asarray(dreamt, np.float32) - camera for camera, dreamt in self.samples]
        pairs = range(0, len(self.samples) - 1, 2)
        return {
            "pictures_hz": len(self.shown_s) / max(1e-9, self.shown_s[-1] - self.shown_s[0]),
            "frames_hz": len(self.frames) / max(1e-9, self.shown_s[-1] - self.shown_s[0]),
            "longest_gap_ms": _longest(self.shown_s) * 1e3,
            "residuals_hz": len(self.residuals_s) / max(1e-9, self.shown_s[-1] - self.shown_s[0]),
            "longest_without_residual_s": _longest([self.shown_s[0], *self.residuals_s, self.shown_s[-1]]),
            "dream_age_ms": vars(summarise(self.ages_ms)),
            "dreamt_there": mean(self.there),
            "sizes": dict(self.sizes.most_common(3)),
            "strength": mean(strengths),
            "rms": mean(float(np.square(change).mean()) ** 0.5 for change in changes),
            "attached": mean(self._attached(n, changes) for n in pairs),
            "samples": len(self.samples),
        }

    def _attached(self, n: int, changes: Sequence[Array]) -> float:
        motion = Motion(self.samples[n + 1][0], self.samples[n][0])
        rows, columns = np.indices(motion.flow.shape[:2], np.float32)
        moved = cv2.remap(
            changes[n], columns + motion.flow[..., 0], rows + motion.flow[..., 1], cv2.INTER_LINEAR
        )
        return float(np.corrcoef(moved[motion.seen].ravel(), changes[n + 1][motion.seen].ravel())[0, 1])


def _at(image: Image, size: tuple[int, int]) -> Image:
    return np.ascontiguousarray(resize(image, *size), np.uint8)


def _longest(times: Sequence[float]) -> float:
    return max((b - a for a, b in pairwise(times)), default=0.0)


def watched_mirror(options: argparse.Namespace, room: Room | None, network: Network | None) -> dict[str, Any]:
    """The figures of one turn: with ``room``, dreaming there."""
    with TemporaryDirectory() as folder:
        stats, found = Path(folder, "stats.json"), Path(folder, "found.json")
        words = [sys.executable, "-m", "tests.bench.room_live", "--mirror", str(found)]
        words += ["--layer", options.layer, "--px", str(options.px), "--settle-s", str(options.settle_s)]
        words += ["--", "--windowed"]
        words += ["--size", _SIZE, "--source", options.source, "--working-px", str(options.px)]
        words += ["--octaves", "2"]  # as many as a room's governor has at every size
        words += ["--layer", options.layer, "--stats", str(stats), "--no-osc"]
        words += ["--duration", str(options.settle_s + options.seconds)]
        environment = os.environ | {"LIVEDREAM_HOME": str(Path(folder, "home")), "OMP_NUM_THREADS": "1"}
        if room is not None:
            words += ["--dream-at", room.url]
            environment |= {"LIVEDREAM_ROOM_TOKEN": room.token}
        if network is not None:
            words = network.inside(words)
        with subprocess.Popen(words, cwd=ROOT, env=environment) as process:
            if room is not None and options.kill_at:
                time.sleep(options.settle_s + options.kill_at)
                sys.stdout.write(f"killed {room.kill()}\n")
            if process.wait(options.seconds + options.settle_s + 90):
                raise RuntimeError(f"the mirror ended with {process.returncode}")
        told = json.loads(stats.read_text())
        keys = ("display_fps", "latency_ms", "interval_ms", "dream_fps", "dream_at", "room")
        return {**json.loads(found.read_text()), **{key: told.get(key) for key in keys}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure by turns, and print."""
    parser = argparse.ArgumentParser("python -m tests.bench.room_live", description=__doc__)
    parser.add_argument("--source", default="clouds")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a turn")
    parser.add_argument("--settle-s", type=float, default=5.0)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--px", type=int, default=256, help="working size, at most")
    parser.add_argument("--layer", default="parts")
    parser.add_argument("--kill-at", type=float, default=0.0, help="seconds into a turn in the room")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--mirror", type=Path, help=argparse.SUPPRESS)
    add_room_options(parser)
    words = list(sys.argv[1:] if arguments is None else arguments)
    split = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:split])
    if options.mirror:
        watch = Watch(options.settle_s, options.px)
        watch.run(words[split + 1 :])
        options.mirror.write_text(json.dumps(watch.figures(options.layer)))
        return 0
    turns: dict[str, list[dict[str, Any]]] = {"here": [], "room": []}
    with ExitStack() as stack:
        network = stack.enter_context(Network(shape)) if (shape := network_of(options)) != Shape() else None
        room = stack.enter_context(open_room(options, network))
        for _ in range(options.turns):
            for name, place in (("here", None), ("room", room)):
                turns[name].append(watched_mirror(options, place, network))
                sys.stdout.write(f"{name}: {json.dumps(turns[name][-1])}\n")
                sys.stdout.flush()
    for key in ("pictures_hz", "frames_hz", "longest_gap_ms", "strength", "rms", "attached"):
        here, there = (mean(turn[key] for turn in turns[name]) for name in ("here", "room"))
        sys.stdout.write(f"{key:14} here {here:8.3f}  room {there:8.3f}  {there / here:7.1%}\n")
    if options.json:
        options.json.write_text(json.dumps(turns, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
