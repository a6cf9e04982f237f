"""Three real mirrors in one room, with three videos and three layers; a replica is killed while they run.

::

    python -m tests.bench.room_show OUT --source A.mp4 --source B.mp4 --source C.mp4
    python -m tests.bench.room_show OUT --source A.mp4 --delay-ms 20 --jitter-ms 10 --loss 1

Each mirror has a screen of its own (Xvfb); with a network they are all behind it. A picture of each screen is
taken every 2 s, the fifth of a row with the information on, and put into contact sheets in OUT, beside what
``room status`` said before and after the kill, and what each mirror said of itself in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from PIL import ImageGrab

from livedream.frame import Image
from livedream.resource import Resource
from tests.bench.clips import sheet
from tests.bench.network import Network, Shape
from tests.bench.room_servers import ROOT, Room, add_room_options, network_of, open_room
from tests.soak.mirror import screen

LAYERS = ("patterns", "parts", "textures")
_SIZE, _PX, _INFORMATION = "640x360", "192", "i"
#: Its panel hides much of so small a picture: it is there for one picture of a row.
_INFORMED = 4
_EVERY_S, _IN_ROW = 2.0, 5
_READY_S, _ENDED_S = 90.0, 20.0
_TOLD = ("display_fps", "latency_ms", "interval_ms", "dream_fps", "dream_at", "room", "faults", "fault_kinds")


class ShownMirror(Resource):
    """A mirror in a window, on a screen of its own. ``folder`` is its home."""

    def __init__(
        self, folder: Path, source: str, layer: str, room: Room, network: Network | None, duration_s: float
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stats = folder / "stats.json"
        self._stats.unlink(missing_ok=True)
        self._screen, self._display = screen(_SIZE)
        words = [sys.executable, str(ROOT / "live.py"), "--windowed", "--size", _SIZE, "--no-osc"]
        words += ["--source", source, "--layer", layer, "--dream-at", room.url, "--working-px", _PX]
        words += ["--stats", str(self._stats), "--duration", str(duration_s)]
        self._environment = os.environ | {
            "DISPLAY": self._display,
            "LIVEDREAM_HOME": str(folder / "home"),
            "LIVEDREAM_ROOM_TOKEN": room.token,
            "OMP_NUM_THREADS": "1",
        }
        with (folder / "log").open("w") as log:
            self._process = psutil.Popen(
                network.inside(words) if network else words,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def inform(self) -> None:
        """Show the information, or hide it again."""
        words = ["xdotool", "key", _INFORMATION]
        subprocess.run(words, env=self._environment, check=False, timeout=20, stderr=subprocess.DEVNULL)

    def picture(self) -> Image:
        """What its screen shows."""
        return np.asarray(ImageGrab.grab(xdisplay=self._display).convert("RGB"))

    def told(self, timeout_s: float) -> dict[str, Any]:
        """What it said of itself, once it has ended."""
        self._process.wait(timeout_s)
        said = json.loads(self._stats.read_text())
        return {key: said[key] for key in _TOLD if key in said}

    def close(self) -> None:
        if self._process.poll() is None:
            for process in [*self._process.children(recursive=True), self._process]:
                process.kill()
        self._screen.terminate()
        self._screen.wait()


def status_text(room: Room) -> str:
    """What ``room status`` prints."""
    words = [sys.executable, str(ROOT / "live.py"), "room", "status", "--address", room.url]
    environment = os.environ | {"LIVEDREAM_ROOM_TOKEN": room.token}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def _wait_for_mirrors(room: Room, count: int) -> None:
    until_s = time.monotonic() + _READY_S
    while len(room.status().get("sessions", ())) < count and time.monotonic() < until_s:
        time.sleep(0.2)


def show(options: argparse.Namespace, out: Path) -> None:
    """Run it all, and write what was seen."""
    sources = options.source or ["clouds"]
    at_s = np.arange(0.0, options.seconds, _EVERY_S).tolist()
    with ExitStack() as stack:
        shape = network_of(options)
        network = stack.enter_context(Network(shape)) if shape != Shape() else None
        room = stack.enter_context(open_room(options, network))
        mirrors = [
            stack.enter_context(
                ShownMirror(
                    out / f"mirror {n + 1}",
                    sources[n % len(sources)],
                    layer,
                    room,
                    network,
                    options.seconds + options.settle,
                )
            )
            for n, layer in enumerate(LAYERS)
        ]
        _wait_for_mirrors(room, len(mirrors))
        began_s, killed = time.monotonic(), ""
        pictures: list[list[Image]] = [[] for _ in mirrors]
        (out / "status before.txt").write_text(status_text(room))
        for n, moment_s in enumerate(at_s):
            if n % _IN_ROW in (_INFORMED, 0) and n:
                for mirror in mirrors:
                    mirror.inform()
            time.sleep(max(0.0, began_s + moment_s - time.monotonic()))
            if moment_s >= options.kill_at and not killed:
                killed = f"{room.kill()} killed at {time.monotonic() - began_s:.1f} s"
                sys.stdout.write(f"{killed}\n")
            for mirror, taken in zip(mirrors, pictures, strict=True):
                taken.append(mirror.picture())
        (out / "status after.txt").write_text(status_text(room))
        told = [mirror.told(options.settle + _ENDED_S) for mirror in mirrors]
    for layer, said in zip(LAYERS, told, strict=True):
        sys.stdout.write(f"{layer}: {json.dumps(said)}\n")
    (out / "told.json").write_text(json.dumps({"killed": killed, "mirrors": told}, indent=1) + "\n")
    for n, begin in enumerate(range(0, len(at_s), _IN_ROW), 1):
        part = slice(begin, begin + _IN_ROW)
        rows = [(layer, taken[part]) for layer, taken in zip(LAYERS, pictures, strict=True)]
        path = out / f"sheet {n}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(sheet(rows, at_s[part]), cv2.COLOR_RGB2BGR))
        sys.stdout.write(f"{path}\n")


def main(words: Sequence[str] | None = None) -> int:
    """Show it."""
    parser = argparse.ArgumentParser("python -m tests.bench.room_show", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", action="append", help="a video; may be repeated")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument(
        "--settle", type=float, default=15.0, help="seconds that the mirrors may take to begin"
    )
    parser.add_argument("--kill-at", type=float, default=16.0)
    add_room_options(parser)
    options = parser.parse_args(words)
    options.out.mkdir(parents=True, exist_ok=True)
    show(options, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
