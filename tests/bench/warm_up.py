"""How long a shot that is cut out of a scene must dream before it is as strong as the uncut film there.

    python -m tests.bench.warm_up VIDEO [--at S …] [--warm-up S …] [--set NAME=VALUE …]

For each warm-up, with longer steps until its last seconds, as shots have them, and with usual ones, in the
mean over cuts ``--at`` these seconds: the residual's root mean square, and the strength in the
network's eyes (:func:`tests.bench.measures.strength`), both against the uncut dream's, at the first frame and
over the first second; and how much both dreams have in common (the correlation of their residuals).
"""

from __future__ import annotations

import argparse
import sys
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image, resize
from livedream.rendering.cutting import SETTLING_S, WATCHED_S
from livedream.rendering.dreaming import Dreaming
from livedream.settings import Settings, parse_assignment
from livedream.sources import open_source
from tests.bench.measures import strength

_AFTER_S = 1.0
_WIDTH = 320


class Bench:
    """The frames of a video at working size, and its uncut dream around the cuts."""

    def __init__(self, video: str, settings: Settings, cuts_s: Sequence[float]) -> None:
        self.settings, self.dreamer = settings, Dreamer(settings.network)
        self.images: list[Image] = []
        self.times_s: list[float] = []
        with open_source(video, loop=False, realtime=False) as source:
            for frame in source:
                if frame.time_s > max(cuts_s) + _AFTER_S:
                    break
                height, width = frame.image.shape[:2]
                small = resize(frame.image, _WIDTH, round(_WIDTH * height / width))
                self.images.append(np.asarray(small, np.uint8))
                self.times_s.append(frame.time_s)
        self.cuts = [self.frame(cut_s) for cut_s in cuts_s]
        self.uncut: dict[int, Array] = {}
        dreaming = Dreaming(self.dreamer, settings)
        looked = {n for cut in self.cuts for n in self.looked(cut)}
        for n, (image, time_s) in enumerate(zip(self.images, self.times_s, strict=True)):
            residual = dreaming.dream(image, n, time_s)
            if n in looked:
                self.uncut[n] = residual.copy()

    def frame(self, time_s: float) -> int:
        """The first frame at or after a time."""
        return bisect_left(self.times_s, time_s)

    def looked(self, cut: int) -> range:
        """The frames that are compared after a cut."""
        return range(cut, min(len(self.images), self.frame(self.times_s[cut] + _AFTER_S)), 4)

    def measured(self, index: int, residual: Array) -> tuple[float, float]:
        """Root mean square and strength of a residual."""
        camera = resize(self.images[index], residual.shape[1], residual.shape[0])
        dreamt = np.clip(camera + residual, 0, 255).astype(np.uint8)
        seen = strength(self.dreamer.backend, self.settings.layer, dreamt, np.asarray(camera, np.uint8))
        return float(np.sqrt(np.square(residual).mean())), seen

    def compared(self, cut: int, warm_up_s: float, longer: bool) -> list[tuple[float, float, float]]:
        """Of each frame looked at after one cut: both ratios and the correlation."""
        at_s = self.times_s[cut]
        dreamt = self.frame(at_s - warm_up_s)
        watched = self.frame(max(0.0, at_s - warm_up_s - WATCHED_S))
        settled = self.frame(at_s - SETTLING_S) if longer else dreamt
        self.dreamer.reset()
        self.dreamer.pass_over(self.settings, self.times_s[:watched])
        dreaming, found = Dreaming(self.dreamer, self.settings), []
        for n in range(watched, self.looked(cut)[-1] + 1):
            if n < dreamt:
                dreaming.watch(self.images[n], n, self.times_s[n])
                continue
            mine = dreaming.dream(self.images[n], n, self.times_s[n], warming=n < settled)
            if n in self.looked(cut):
                uncut = self.uncut[n]
                (rms, seen), (all_rms, all_seen) = self.measured(n, mine), self.measured(n, uncut)
                alike = float((mine * uncut).mean()) / (rms * all_rms)
                found.append((rms / all_rms, seen / all_seen, alike))
        return found


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.warm_up", description=__doc__)
    p.add_argument("video")
    p.add_argument("--at", type=float, nargs="+", default=[26, 32, 38], metavar="S")
    p.add_argument("--warm-up", type=float, nargs="+", default=[6, 12, 16], metavar="S")
    p.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    found = p.parse_args()
    settings = Settings(mirror=False)
    for text in found.set:
        settings = settings.replace(**parse_assignment(text))
    bench = Bench(found.video, settings, found.at)
    for warm_up_s in found.warm_up:
        for longer in (False, True):
            each = [bench.compared(cut, warm_up_s, longer) for cut in bench.cuts]
            first = np.mean([frames[0] for frames in each], 0)
            whole = np.mean([frame for frames in each for frame in frames], 0)
            steps = "longer" if longer else "usual"
            sys.stdout.write(
                f"{warm_up_s:g} s, {steps} steps: rms {first[0]:.3f}, strength {first[1]:.3f} at the first"
                f" frame; {whole[0]:.3f}, {whole[1]:.3f} in the first second; alike {whole[2]:.2f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
