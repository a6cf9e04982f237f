"""Plays a scene on a source as the mirror does, but in order and in simulated time.

Every tick dreams on the newest frame, as in a mirror that manages ``tick_hz``; scenes, visitors and fades go
through the same :class:`~livedream.performance.store.Performance`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, cycle, takewhile
from pathlib import Path

import cv2
import numpy as np

from livedream.controls.actions import Recall
from livedream.dream.dreamer import Dreamer
from livedream.frame import Frame, Image
from livedream.performance.scenes import SHIPPED_DIR, Scenes
from livedream.performance.state import PlayState
from livedream.performance.store import Performance
from livedream.settings import Settings
from livedream.sources import open_source
from livedream.stage.composite import Composer
from livedream.stage.scene import Scene
from livedream.vision.presence import PresenceDetector

#: Rates of the camera's frames and of the dream's ticks.
FPS, TICK_HZ = 30.0, 30.0
#: How often an empty room is looked at before the film begins.
_LOOKS_AT_EMPTY = 30
#: A dark room: what is left of the light, and the noise of a sensor that makes up for it, in levels.
_DARK, _DARK_NOISE = 0.25, 3.0


@dataclass(frozen=True)
class Take:
    """A source and from where: ``name`` is ``clouds`` or a file's name, found at any depth of a folder.

    ``start_s`` is where a video begins; with ``span_s`` only so much of it is shown, to and fro, so that
    somebody stays. Of a photograph ``rows`` are shown; ``dark`` puts out the light. The visitor detector has
    seen the empty room before: the video at ``empty_s``, or its first frame with a plain wall across
    ``hidden``, the fractions of its width between which somebody stands.
    """

    name: str
    start_s: float = 0.0
    span_s: float | None = None
    rows: int | None = None
    dark: bool = False
    empty_s: float | None = None
    hidden: tuple[float, float] | None = None

    def frames(self, data: Path) -> Iterator[Frame]:
        """The frames of ``data``'s file, without end, :data:`FPS` a second of a photograph or of clouds."""
        frames = self._bright(data) if self.span_s is None else self._to_and_fro(data, self.span_s)
        for frame in frames:
            yield replace(frame, image=_darkened(frame.image, frame.index)) if self.dark else frame

    def empty(self, data: Path) -> Image | None:
        """The empty room, None if it is not known."""
        if self.empty_s is not None:
            return next(replace(self, start_s=self.empty_s, span_s=None).frames(data)).image
        if self.hidden is None:
            return None
        image = next(self.frames(data)).image.copy()
        left, right = (round(x * image.shape[1]) for x in self.hidden)
        part = np.linspace(0, 1, right - left)[:, None]
        image[:, left:right] = (1 - part) * image[:, left - 1, None] + part * image[:, right, None]
        return image

    def _to_and_fro(self, data: Path, span_s: float) -> Iterator[Frame]:
        there = list(takewhile(lambda frame: frame.time_s <= span_s, self._bright(data)))
        step_s = span_s / (len(there) - 1)
        for n, frame in enumerate(cycle(there[:-1] + there[:0:-1])):
            yield Frame(frame.image, n, n * step_s)

    def _bright(self, data: Path) -> Iterator[Frame]:
        path = self.name if self.name == "clouds" else _found(data, self.name)
        with open_source(path, loop=True, realtime=False) as opened:
            if opened.kind == "photo":
                image = next(opened).image[: self.rows]
                yield from (Frame(image, n, n / FPS) for n in count())
            for frame in opened:
                if frame.time_s >= self.start_s:
                    yield Frame(frame.image, frame.index, frame.time_s - self.start_s)


#: What the documentation may show.
CLOUDS, SKY, CHELSEA = Take("clouds"), Take("sky1024px.jpg"), Take("chelsea.png")
#: The upper part: a visitor's face must be in a wide picture.
ASTRONAUT = Take("astronaut.png", rows=288)
SIGNING = Take("webcam_signing.mp4")
#: One of the people who sign, for longer than the film shows her.
PERSON = Take("webcam_signing.mp4", start_s=4.9, span_s=3.2, hidden=(0.24, 0.74))


def save(path: Path, image: Image, quality: int = 85) -> None:
    """Write a JPEG, and say where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Moment:
    """What a mirror shows at ``time_s``: a scene of the stage, painted when its picture is asked for."""

    time_s: float
    scene: Scene

    @property
    def picture(self) -> Image:
        """RGB uint8 (H, W, 3)."""
        return self.scene.picture()


class Player:
    """One dreamer for everything that is played; ``data`` is the folder of videos and photographs.

    Scenes are those in the folder ``scenes``, dreamt at ``working_px`` pixels, of which 0 is the usual size.
    """

    def __init__(
        self, data: Path, *, backend: str = "auto", scenes: Path = SHIPPED_DIR, working_px: int = 0
    ) -> None:
        cv2.setNumThreads(1)
        self._data, self._scenes, self._working_px = data, scenes, working_px
        self._dreamer = Dreamer("dreamnet", backend=backend)

    def play(
        self,
        take: Take,
        played: Settings | str,
        size: tuple[int, int],
        *,
        tick_hz: float = TICK_HZ,
        visitors: bool = False,
    ) -> Iterator[Moment]:
        """Every tick of ``played``, settings or the name of a scene, in pictures of (width, height) ``size``.

        With ``visitors`` they are looked for, so that they come and go as in front of a camera.
        """
        self._dreamer.reset()
        composer, presence, aspect = Composer(), PresenceDetector(), size[0] / size[1]
        self._show_empty(take, presence, aspect)
        performance = self._begin(played)
        frames = take.frames(self._data)
        frame, ahead = None, next(frames)
        for n in count():
            now = n / tick_hz
            while ahead.time_s <= now + 1e-6:
                frame, ahead = ahead, next(frames)
                composer.see(frame.image, frame.index, aspect, now)
                assert composer.grey is not None
                presence.see(composer.grey, now + 1)
            if frame is None:
                continue
            performance.step(now, presence.somebody if visitors else None, presence.motion)
            shown = performance.played
            residual = self._dreamer.tick(
                frame.image,
                shown.settings,
                time_s=now,
                aspect=aspect,
                transition_s=shown.transition_s,
                persistence_limit_s=shown.persistence_limit_s,
            )
            scene = composer.arrange(
                residual,
                frame.index,
                size,
                shown.settings,
                residual_aspect=aspect,
                presence=None if take.name == "clouds" else presence,
                transition_s=shown.transition_s,
            )
            assert scene is not None
            yield Moment(now, scene)

    def pictures(
        self, take: Take, played: Settings | str, at_s: Sequence[float], size: tuple[int, int], **how: bool
    ) -> list[Image]:
        """The pictures at these moments, in ascending order."""
        pictures: list[Image] = []
        for moment in self.play(take, played, size, **how):
            if moment.time_s >= at_s[len(pictures)] - 1e-6:
                pictures.append(moment.picture.copy())
                if len(pictures) == len(at_s):
                    break
        return pictures

    def _begin(self, played: Settings | str) -> Performance:
        own = Path(self._scenes)
        if isinstance(played, Settings):
            return Performance(PlayState.begin(played, None), Scenes(own), 0.0)
        settings = Settings(mirror=False, working_px=self._working_px)
        performance = Performance(PlayState.begin(settings, None), Scenes(own), 0.0)
        performance.act(Recall(played, fade_s=0.0), 0.0)
        news = performance.step(0.0, None)
        while performance.busy:
            time.sleep(0.001)
            news += performance.step(0.0, None)
        alarms = [text for text, alarm in news if alarm]
        if alarms:
            raise SystemExit("\n".join(alarms))
        return performance

    def _show_empty(self, take: Take, presence: PresenceDetector, aspect: float) -> None:
        room = take.empty(self._data)
        if room is None:
            return
        composer = Composer()
        composer.see(room, 0, aspect, 0.0)
        assert composer.grey is not None
        for n in range(_LOOKS_AT_EMPTY):
            presence.see(composer.grey, (n + 1) / _LOOKS_AT_EMPTY)


def _found(data: Path, name: str) -> str:
    found = next(data.rglob(name), None)
    if found is None:
        raise SystemExit(f"no {name} in {data}; --help names what is needed")
    return str(found)


def _darkened(image: Image, index: int) -> Image:
    """The same image with little light, and the noise of an amplified sensor."""
    noise = np.random.default_rng(index).normal(0, _DARK_NOISE, image.shape).astype(np.float32)
    return np.asarray(np.clip(image * np.float32(_DARK) + noise, 0, 255), np.uint8)
