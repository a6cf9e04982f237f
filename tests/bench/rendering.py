"""A film of two minutes rendered by one process and by several workers: how long, and is it the same film?

    python -m tests.bench.rendering --data DIR [--out DIR] [--workers 1 2] [--longest-shot S] [--one-core]
        [--quick]

``DIR`` is the folder of the shared footage. The film is joined from it: six scenes, of which one is longer
than ``--longest-shot`` and so is cut. For each render there is its time and the processor's time of all its
processes; for each one by workers how it differs from the one by one process inside its shots, and at each
cut within a scene the strength of the dream against the uncut one's, and the largest step from picture to
picture, against the largest nearby. Sheets of the pictures around each such cut are written to ``--out``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image, resize, working_size
from livedream.rendering.cutting import Shot, cut
from livedream.rendering.footage import Film, Survey, survey
from livedream.settings import Settings
from livedream.sources import open_source
from tests.bench.measures import strength

FPS, SIZE = 25, (480, 270)
#: Video, from which second, and for how many: two minutes. The second to fourth are of one scene each.
SCENES = (
    ("webcam_face.mp4", 3, 20),
    ("webcam_signing.mp4", 15.7, 8),
    ("people_walking.mp4", 10, 44),
    ("webcam_face.mp4", 26, 20),
    ("webcam_signing.mp4", 24, 18),
    ("people_walking.mp4", 56, 10),
)
_QUICK = (("webcam_face.mp4", 3, 9), ("people_walking.mp4", 10, 20), ("webcam_signing.mp4", 15.7, 8))
#: Pictures of a sheet, in frames from where a dissolve begins.
_SHOWN = (-10, -1, 0, 9, 18, 27, 37, 38, 50, 75)
_CELL_PX = 240


def make_film(path: Path, data: Path, scenes: Sequence[tuple[str, float, float]]) -> None:
    """The film, with a rising tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.options, video.codec_context.gop_size = {"crf": "18", "preset": "veryfast"}, 2 * FPS
        tone = container.add_stream("aac", rate=48000, layout="mono")
        count = 0
        for name, start_s, seconds in scenes:
            for image in _frames(data / "video" / name, start_s, round(seconds * FPS)):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = count, Fraction(1, FPS)
                container.mux(video.encode(frame))
                count += 1
        container.mux(video.encode(None))
        for n in range(count * 48000 // FPS // 1024):
            at = np.arange(n * 1024, n * 1024 + 1024) / 48000
            wave = 0.1 * np.sin(2 * np.pi * (220 + 2 * at) * at).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            samples.sample_rate, samples.pts = 48000, n * 1024
            container.mux(tone.encode(samples))
        container.mux(tone.encode(None))


def _frames(path: Path, start_s: float, count: int) -> Iterator[Image]:
    with open_source(str(path), loop=True, realtime=False) as source:
        assert source.fps is not None
        at, frame = -1, next(source)
        for n in range(count):
            wanted = round((start_s + n / FPS) * source.fps)
            while at < wanted:
                at, frame = at + 1, next(source)
            height, width = frame.image.shape[:2]
            rows = round(width * SIZE[1] / SIZE[0])
            top = max(0, (height - rows) // 2)
            yield np.ascontiguousarray(resize(frame.image[top : top + rows], *SIZE), np.uint8)


@dataclass
class Run:
    """How long a render took, and the processor's time of all its processes, in seconds."""

    wall_s: float
    busy_s: float


def run(film: Path, output: Path, words: Sequence[str], cores: Sequence[int] | None = None) -> Run:
    """``livedream render`` with these words, on these cores, or on all."""
    output.unlink(missing_ok=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "livedream", "render", str(film), str(output), *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        watched, busy = psutil.Process(process.pid), dict[int, float]()
        if cores is not None:
            watched.cpu_affinity(list(cores))
        while process.poll() is None:
            with suppress(psutil.Error):
                for each in (watched, *watched.children(recursive=True)):
                    with suppress(psutil.Error):
                        used = each.cpu_times()
                        busy[each.pid] = used.user + used.system
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
        assert process.stderr is not None
        said = process.stderr.read()
    if process.returncode:
        raise SystemExit(said[-2000:])
    return Run(time.monotonic() - began, sum(busy.values()))


@dataclass
class Comparison:
    """The film, and renders of it by one process and by many workers.

    ``differences`` are the mean absolute ones of both renders' pictures, ``one_steps`` and ``many_steps``
    those from the picture before, in levels. ``shown`` has the pictures of all three at some frames.
    """

    differences: Array
    one_steps: Array
    many_steps: Array
    shown: dict[int, tuple[Image, Image, Image]]

    def strengths(self, index: int, dreamer: Dreamer, layer: str) -> tuple[float, float]:
        """How strong the dream is in one's picture and in many's, in the network's eyes."""
        size = working_size(*SIZE, 0)
        camera, one, many = (np.asarray(resize(image, *size), np.uint8) for image in self.shown[index])
        backend = dreamer.backend
        return strength(backend, layer, one, camera), strength(backend, layer, many, camera)

    def sheet(self, shot: Shot) -> Image:
        """Pictures around the beginning of a shot: by one above, by many below."""
        rows = []
        for which, name in ((1, "one"), (2, "many")):
            cells = []
            for n in _SHOWN:
                picture = self.shown[shot.first + n][which]
                cell = resize(picture, _CELL_PX, round(_CELL_PX * SIZE[1] / SIZE[0])).copy()
                cv2.putText(cell, f"{name} {n:+}", (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1)
                cells.append(cell)
            rows.append(np.vstack([np.hstack(cells[:5]), np.hstack(cells[5:])]))
        return np.asarray(np.vstack(rows), np.uint8)


def compare(film: Path, one: Path, many: Path, shots: Sequence[Shot]) -> Comparison:
    """Look through three films at once; what is around cuts within scenes is shown."""
    cuts = [shot for shot in shots if shot.head]
    wanted = {shot.first + n for shot in cuts for n in (*_SHOWN, shot.head, shot.head + FPS)}
    differences: list[float] = []
    moved: tuple[list[float], list[float]] = [0.0], [0.0]
    shown: dict[int, tuple[Image, Image, Image]] = {}
    before: tuple[Array, Array] | None = None
    with av.open(str(film)) as a, av.open(str(one)) as b, av.open(str(many)) as c:
        decoded = zip(*(each.decode(video=0) for each in (a, b, c)), strict=True)
        for index, frames in enumerate(decoded):
            camera, first, second = (np.asarray(f.to_ndarray(format="rgb24"), np.uint8) for f in frames)
            if index in wanted:
                shown[index] = camera, first, second
            now = first.astype(np.int16), second.astype(np.int16)
            differences.append(float(np.abs(now[0] - now[1]).mean()))
            for old, new, found in zip(before or (), now, moved, strict=False):
                found.append(float(np.abs(new - old).mean()))
            before = now
    return Comparison(np.array(differences), np.array(moved[0]), np.array(moved[1]), shown)


def report(found: Survey, shots: Sequence[Shot], compared: Comparison, out: Path, name: str) -> None:
    """Print how the films differ, and write a sheet for each cut within a scene."""
    dreamer, layer = Dreamer("dreamnet"), Settings().layer
    for shot in shots:
        mean = compared.differences[shot.first + shot.head : shot.end].mean()
        kind = "within a scene" if shot.head else "with a scene"
        begins = found.times_s[shot.first]
        sys.stdout.write(f"  {shot.name}: begins {kind} at {begins:.1f} s; differs by {mean:.2f} levels\n")
    for shot in (shot for shot in shots if shot.head):
        first, end = shot.first, shot.first + shot.head
        for what, index in (("first frame of its own", end), ("a second later", end + FPS)):
            one, many = compared.strengths(index, dreamer, layer)
            sys.stdout.write(f"  {shot.name}, {what}: strength {100 * many / one:.1f} % of the uncut\n")
        moved = compared.many_steps
        sys.stdout.write(
            f"  {shot.name}: largest step in the dissolve {moved[first : end + 1].max():.2f} levels,"
            f" uncut {compared.one_steps[first : end + 1].max():.2f};"
            f" in the second before {moved[first - FPS : first].max():.2f},"
            f" after {moved[end + 1 : end + FPS].max():.2f}\n"
        )
        path = out / f"{name}-{shot.number + 1}.png"
        cv2.imwrite(str(path), cv2.cvtColor(compared.sheet(shot), cv2.COLOR_RGB2BGR))
        sys.stdout.write(f"  {path}\n")


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.rendering", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="DIR")
    p.add_argument("--out", type=Path, default=Path("clips"), metavar="DIR")
    p.add_argument("--workers", type=int, nargs="+", default=[2], metavar="N")
    p.add_argument("--longest-shot", type=float, default=30.0, metavar="S")
    p.add_argument("--one-core", action="store_true", help="first also by one process on one core (Linux)")
    p.add_argument("--quick", action="store_true", help="a film of half a minute, and a small dream")
    found = p.parse_args()
    found.out.mkdir(parents=True, exist_ok=True)
    film = found.out / "film.mp4"
    make_film(film, found.data, _QUICK if found.quick else SCENES)
    words = ["--encoder", "x264", *(["--working-px", "160", "--steps", "1"] if found.quick else [])]
    with Film(str(film)) as opened:
        surveyed = survey(opened, None, lambda: None)
    shots = cut(surveyed.times_s, surveyed.scenes, found.longest_shot, watches=True)
    seconds = len(surveyed.times_s) / FPS
    sys.stdout.write(f"{seconds:.0f} s of film, {len(surveyed.scenes)} scenes, {len(shots)} shots\n")
    dreamt = sum(shot.cost for shot in shots) / len(surveyed.times_s)
    sys.stdout.write(f"frames dreamt for each one shown: {dreamt:.3f}\n")
    if found.one_core:
        single = run(film, found.out / "single.mp4", words, [0])
        sys.stdout.write(
            f"one process on one core: {single.wall_s:.1f} s, {single.busy_s:.1f} s of it busy\n"
        )
    one = run(film, found.out / "one.mp4", words)
    sys.stdout.write(f"one process on all cores: {one.wall_s:.1f} s, processor {one.busy_s:.1f} s\n")
    for count in found.workers:
        output = found.out / f"{count}-workers.mp4"
        many = run(film, output, [*words, "--workers", str(count), "--longest-shot", str(found.longest_shot)])
        sys.stdout.write(
            f"{count} workers: {many.wall_s:.1f} s, {one.wall_s / many.wall_s:.2f} × one;"
            f" processor {many.busy_s:.1f} s\n"
        )
        compared = compare(film, found.out / "one.mp4", output, shots)
        report(surveyed, shots, compared, found.out, f"{count}-workers")


if __name__ == "__main__":
    main()
