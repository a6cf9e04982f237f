"""The cost of compositing a frame: every mix and mask at three sizes, of visitor detection, and of a window.

One thread, in its own processor time, so that other load matters little; 1280×720, 1920×1080, 3840×2160.

python -m tests.bench.stage VIDEO
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from itertools import islice
from time import thread_time
from typing import Any

import cv2
import numpy as np

from livedream.frame import resize
from livedream.settings import Settings
from livedream.sinks.screens import screen_available
from livedream.sinks.window import Window
from livedream.sources import open_source
from livedream.stage.composite import Composer
from livedream.vision.flow import grey
from livedream.vision.presence import LOOK_HZ, PresenceDetector

SIZES = ((1280, 720), (1920, 1080), (3840, 2160))
LOOKS: dict[str, dict[str, Any]] = {
    "over": {},
    "luminance": {"mix": "luminance"},
    "dream": {"mix": "dream"},
    "over, visitor": {"mask": "visitor"},
    "over, background, vignette": {"mask": "background", "vignette": 0.5},
    "dream, moving": {"mix": "dream", "mask": "moving"},
}
FPS = 30
FRAMES = 60


def median_ms(step: Callable[[int], object]) -> float:
    """The median time of a step, after some warm-up."""
    times = []
    for n in range(FRAMES):
        start = thread_time()
        step(n)
        times.append((thread_time() - start) * 1e3)
    return float(np.median(times[10:]))


def main(video: str) -> None:
    """Print one table."""
    cv2.setNumThreads(1)
    with open_source(video, realtime=False) as source:
        frames = [frame.image for frame in islice(source, FRAMES)]
    rng = np.random.default_rng(0)
    residual = cv2.GaussianBlur(rng.normal(0, 120, (180, 320, 3)).astype(np.float32), (0, 0), 1.5)

    def picture(composer: Composer, settings: Settings, size: tuple[int, int], n: int) -> None:
        composer.see(frames[n], n, 16 / 9, n / FPS)
        composer.compose(residual, max(0, n - 1), size, settings, residual_aspect=16 / 9)

    median_ms(partial(picture, Composer(), Settings(), SIZES[-1]))  # the first frames allocate memory
    for name, look in LOOKS.items():
        settings, row = Settings(**look), []
        for size in SIZES:
            row.append(median_ms(partial(picture, Composer(), settings, size)))
        sys.stdout.write(f"{name:28}" + "".join(f"{ms:8.2f}" for ms in row) + " ms\n")
    if screen_available():
        row = []
        for size in SIZES[:2]:
            with Window(full_screen=False, size=size, renderer="cpu") as window:
                image = resize(frames[0], *size)
                row.append(median_ms(lambda _, window=window, image=image: window.show(image)))  # type: ignore[misc]
        sys.stdout.write(f"{'window':28}" + "".join(f"{ms:8.2f}" for ms in row) + "         ms\n")
    detector = PresenceDetector()
    greys = [grey(resize(frame, 320, 180)) for frame in frames]
    look_ms = median_ms(lambda n: detector.see(greys[n], n / LOOK_HZ))
    sys.stdout.write(f"{'visitor detection':28}{look_ms:8.2f} ms\n")


if __name__ == "__main__":
    main(sys.argv[1])
