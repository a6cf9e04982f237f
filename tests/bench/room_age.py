"""What a slow network costs a dream that is made in a room, apart from any machine's speed.

::

    python -m tests.bench.room_age --source VIDEO

Pictures go up every so many frames, and residuals come back so many frames old; the room ticks once a frame
on the newest picture that it has. What comes back is moved along to the frame that is shown, as the mirror
does. ``strength`` and ``rms`` are of what is shown, and what they are of a dream that is made here.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.dream.residual import Residual
from livedream.frame import Image, resize, working_size
from livedream.settings import Settings
from livedream.vision.flow import FlowEstimator, grey, warp_along
from tests.bench.measures import economy, strength

_HZ = 30
#: Frames until a dream has developed, and how far apart those are that are judged.
_SETTLE, _APART = 45, 6
_LAYER = "parts"


@dataclass(frozen=True)
class Way:
    """A picture is sent every ``every`` frames, is in the room ``up`` frames later, and its residual is here
    another ``down`` frames later."""

    every: int
    up: int
    down: int


#: No network; then answers that take one frame, two, three, four and five.
WAYS = (Way(1, 0, 0), Way(1, 0, 1), Way(2, 1, 1), Way(3, 1, 2), Way(4, 1, 3), Way(5, 2, 3))


def frames(source: Path, count: int, px: int) -> list[Image]:
    """The first frames of a video, at the working size."""
    video, found = cv2.VideoCapture(str(source)), list[Image]()
    while len(found) < count:
        there, image = video.read()
        if not there:
            break
        height, width = image.shape[:2]
        small = resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), *working_size(width, height, px))
        found.append(np.ascontiguousarray(small))
    return found


def measure(images: list[Image], way: Way, px: int) -> tuple[float, float]:
    """The strength and the rms of what is shown."""
    dreamer, settings, flow = Dreamer("dreamnet"), Settings(working_px=px), FlowEstimator()
    coming: deque[tuple[int, int, Residual]] = deque()  # when it is here, of which frame
    sent, shown = -1, None
    strengths, changes = list[float](), list[float]()
    for n, camera in enumerate(images):
        new = n >= way.up and (n - way.up) % way.every == 0
        sent = n - way.up if new else sent
        if sent >= 0:
            residual = dreamer.tick(images[sent], settings, time_s=n / _HZ)
            if new:
                coming.append((n + way.down, sent, residual.copy()))
        while coming and coming[0][0] <= n:
            shown = coming.popleft()
        if shown is None or n < _SETTLE or n % _APART:
            continue
        motion = flow(grey(camera), grey(images[shown[1]]))
        moved = warp_along(shown[2], motion) if motion.any() else shown[2]
        dreamt = np.clip(camera + moved, 0, 255).astype(np.uint8)
        strengths.append(strength(dreamer.backend, _LAYER, dreamt, camera))
        changes.append(economy(dreamt, camera)["rms"])
    return mean(strengths), mean(changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=110)
    parser.add_argument("--px", type=int, default=192)
    found = parser.parse_args()
    cv2.setNumThreads(1)
    images = frames(found.source, found.frames, found.px)
    here: tuple[float, float] | None = None
    for way in WAYS:
        strong, change = measure(images, way, found.px)
        here = here or (strong, change)
        age_ms = round((way.up + way.down) / _HZ * 1e3)
        sys.stdout.write(
            f"{age_ms:4} ms, {_HZ / way.every:4.1f} a second:"
            f" strength {strong / here[0]:.0%}, rms {change / here[1]:.0%}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
