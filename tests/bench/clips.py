"""Looks hard at the scenes: contact sheets of each on five sources, and a video of a minute.

    python -m tests.bench.clips --data DIR [--scenes NAME …] [--on NAME …] [--at S …] [--portrait] [--video]

Sheets and videos go into ``clips/``, which git ignores. A sheet has a row for each scene and a column for
each moment, on one source; with ``--set`` the rows are settings, such as ``"layer=parts;steps=3"``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np

from livedream.frame import Image, resize
from livedream.performance.scenes import SHIPPED_DIR
from livedream.settings import Settings, parse_assignment
from livedream.sinks.recorder import Recorder
from tests.bench.playing import CLOUDS, PERSON, TICK_HZ, Player, Take, save

CLIPS = Path(__file__).parents[2] / "clips"
LANDSCAPE, PORTRAIT = (1920, 1080), (1080, 1920)
SOURCES = {
    "person": PERSON,
    "face": Take("webcam_face.mp4"),
    "walking": Take("people_walking.mp4", start_s=0.5, empty_s=1.0),
    "clouds": CLOUDS,
    "dark": Take("webcam_face.mp4", dark=True),
}
_CELL_PX = 640
_BAR_PX = 22


def sheet(rows: Sequence[tuple[str, Sequence[Image]]], at_s: Sequence[float]) -> Image:
    """Rows of pictures with their names, each cell's longer side :data:`_CELL_PX` long."""
    return np.vstack(
        [
            np.hstack([_cell(f"{name}  {s:g} s", image) for image, s in zip(images, at_s, strict=True)])
            for name, images in rows
        ]
    )


def _cell(text: str, image: Image) -> Image:
    scale = _CELL_PX / max(image.shape)
    small = resize(image, round(image.shape[1] * scale), round(image.shape[0] * scale))
    bar = np.zeros((_BAR_PX, small.shape[1], 3), np.uint8)
    cv2.putText(bar, text, (4, _BAR_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, small])


def record(player: Player, scene: str, take: Take, size: tuple[int, int], seconds: float, path: Path) -> None:
    """A video of ``scene`` on ``take``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Recorder(path, fps=TICK_HZ) as recorder:
        moments = player.play(take, scene, size, visitors=True)
        for moment in takewhile(lambda moment: moment.time_s < seconds, moments):
            recorder.add(moment.picture, moment.time_s, wait=True)
            if recorder.error:
                raise SystemExit(recorder.error)
        recorder.finish()
    sys.stdout.write(f"{path}\n")


def _settings(text: str) -> Settings:
    settings = Settings(mirror=False)
    for word in text.split(";"):
        settings = settings.replace(**parse_assignment(word))
    return settings


def main() -> None:
    p = argparse.ArgumentParser("python -m tests.bench.clips", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="DIR")
    p.add_argument("--out", type=Path, default=CLIPS, metavar="DIR")
    p.add_argument("--folder", type=Path, default=SHIPPED_DIR, metavar="DIR", help="of the scenes")
    p.add_argument("--scenes", nargs="+", metavar="NAME", help="not all of them")
    p.add_argument(
        "--set", nargs="+", metavar="SETTINGS", help="rows of settings with ; between them, instead of scenes"
    )
    p.add_argument("--on", nargs="+", default=[*SOURCES], choices=[*SOURCES], metavar="SOURCE")
    p.add_argument("--at", nargs="+", type=float, default=[3.0, 15.0, 60.0], metavar="S")
    p.add_argument("--name", default="scenes", help="the sheets' name")
    p.add_argument("--full", action="store_true", help="every picture at full size, too")
    p.add_argument("--portrait", action="store_true")
    p.add_argument("--video", action="store_true", help="a video per scene instead of sheets")
    options = p.parse_args()
    size = PORTRAIT if options.portrait else LANDSCAPE
    kind = "portrait" if options.portrait else "landscape"
    player = Player(options.data, scenes=options.folder)
    scenes = options.scenes or sorted(path.stem for path in options.folder.glob("*.toml"))
    for source in options.on:
        take = SOURCES[source]
        if options.video:
            for name in scenes:
                path = options.out / "videos" / f"{name}-{source}-{kind}.mp4"
                record(player, name, take, size, max(options.at), path)
            continue
        rows = []
        for name in options.set or scenes:
            played = _settings(name) if options.set else name
            rows.append((name, player.pictures(take, played, options.at, size, visitors=not options.set)))
            if options.full:
                for image, s in zip(rows[-1][1], options.at, strict=True):
                    save(options.out / "full" / f"{options.name}-{name}-{source}-{kind}-{s:g}.jpg", image)
        save(options.out / f"{options.name}-{source}-{kind}.jpg", sheet(rows, options.at))


if __name__ == "__main__":
    main()
