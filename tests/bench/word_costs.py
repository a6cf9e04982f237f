"""What words cost: processor time a tick for a layer, a word, fades and recognition, by turns on one video.

``python -m tests.bench.word_costs VIDEO`` prints the median of five turns of 15 ticks each.
"""

from __future__ import annotations

import sys
import time
from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.settings import Settings
from livedream.sources import open_source

_TICKS, _TURNS = 15, 5
#: Settings over the common ones, one after the other, turn after turn.
_CASES: dict[str, list[dict[str, Any]]] = {
    "a layer": [{}],
    "a word": [{"dream_of": "castle"}],
    "one word fading to another": [{"dream_of": "castle"}, {"dream_of": "snakes"}],
    "one layer fading to another": [{"layer": "objects"}, {"layer": "parts"}],
    "what is recognised": [{"surprise": True}],
}


def main(video: str) -> int:
    """Measure, and print a line for each case."""
    cv2.setNumThreads(1)
    with open_source(video, loop=True, realtime=False) as source:
        frames = [frame.image for frame in islice(source, 60)]
    common = Settings(layer="objects", working_px=320, crossfade_s=1.0)
    dreamers = {name: Dreamer("dreamnet", threads=1) for name in _CASES}
    images = {name: cycle(frames) for name in _CASES}
    found: dict[str, list[float]] = {name: [] for name in _CASES}
    for turn in range(_TURNS + 2):  # in the first two, graphs are opened
        for name, changes in _CASES.items():
            settings = common.replace(**changes[turn % len(changes)])
            start = time.process_time()
            for image in islice(images[name], _TICKS):
                dreamers[name].tick(image, settings)
            found[name].append((time.process_time() - start) / _TICKS * 1e3)
    for name, times in found.items():
        sys.stdout.write(f"{name:28} {np.median(times[2:]):5.1f} ms a tick\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
