"""Reads and changes the files of scenes on a thread of its own: the show never waits for a disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from livedream.controls.actions import Recall, RecallKey
from livedream.controls.desk import SceneTitle
from livedream.controls.patch import Patch
from livedream.errors import LivedreamError
from livedream.networks.dreamable import dreamable_networks
from livedream.performance.attract import ATTRACT_SCENE
from livedream.performance.moods import Mood
from livedream.performance.scenes import Scene, Scenes
from livedream.settings import Settings

log = logging.getLogger(__name__)

#: Files may also be edited while the show runs: so often it looks which scenes there are.
_LOOK_S = 5.0

News = tuple[str, bool]  # a line for the operator, and whether it is an alarm


@dataclass(frozen=True)
class Found:
    """A scene that was read: the networks that can be dreamt now, the action that asked for it, from where.

    ``asked`` is None for the attract scene.
    """

    scene: Scene
    networks: tuple[str, ...]
    asked: Recall | RecallKey | None
    origin: str


class SceneFiles:
    """The scenes' files. Requests are done in their order; :meth:`results` tells what came of them.

    ``titles`` are the scenes there are, as last seen; none before the first look.
    """

    def __init__(self, scenes: Scenes, clock: Callable[[], float] = time.monotonic) -> None:
        self.titles: tuple[SceneTitle, ...] = ()
        self._scenes, self._clock = scenes, clock
        self._disk = ThreadPoolExecutor(1, "scenes")
        self._reading: list[tuple[Future[Found], str]] = []
        self._changing: list[Future[str]] = []
        self._looking: Future[tuple[SceneTitle, ...]] | None = None
        self._looked_s = clock() - _LOOK_S

    def read(self, asked: Recall | RecallKey | None, origin: str) -> None:
        """Read the scene that is asked for; the attract scene for None."""
        match asked:
            case Recall(name):
                words = name
            case RecallKey(key):
                words = f"on key {key}"
            case _:
                words = ATTRACT_SCENE

        def found() -> Found:
            if isinstance(asked, RecallKey):
                scene = self._scenes.on_key(asked.key, tidy=True)
            else:
                scene = self._scenes.named(words, tidy=True)
            return Found(scene, dreamable_networks(), asked, origin)

        self._reading.append((self._disk.submit(found), words))

    def store(self, settings: Settings, name: str, key: int, moods: Mapping[str, Mood], patch: Patch) -> None:
        """Store a scene. Raises ``UsageError`` for an impossible name."""
        self._scenes.check_name(name)
        self._change(lambda: f"scene stored: {self._scenes.store(settings, name, key, moods, patch)}")

    def rename(self, name: str, new: str) -> None:
        """Rename one of the user's own scenes. Raises ``UsageError`` for an impossible name."""
        self._scenes.check_name(new)
        self._change(lambda: f"scene {name} renamed: {self._scenes.rename(name, new)}")

    def delete(self, name: str) -> None:
        """Delete one of the user's own scenes."""
        self._change(lambda: f"scene deleted: {self._scenes.delete(name)}")

    def _change(self, change: Callable[[], str]) -> None:
        self._changing.append(self._disk.submit(change))
        self._looked_s = self._clock() - _LOOK_S

    def results(self) -> tuple[list[Found], list[News]]:
        """What was read since the last call, and news of what was read and changed."""
        self._look()
        found: list[Found] = []
        news: list[News] = []
        while self._reading and self._reading[0][0].done():
            reading, name = self._reading.pop(0)
            try:
                found.append(reading.result())
            except LivedreamError as error:
                news.append((str(error), True))
            except Exception as error:  # no file may end the show
                log.exception("scene %s cannot be recalled", name)
                news.append((f"scene {name} cannot be recalled: {type(error).__name__}: {error}", True))
        while self._changing and self._changing[0].done():
            changing = self._changing.pop(0)
            wrong = changing.exception()
            news.append((str(wrong), True) if wrong else (changing.result(), False))
        return found, news

    def _look(self) -> None:
        """Look which scenes there are, now and then."""
        if self._looking is not None and self._looking.done():
            if self._looking.exception() is None:
                self.titles = self._looking.result()
            self._looking = None
        if self._looking is None and self._clock() - self._looked_s >= _LOOK_S:
            self._looked_s = self._clock()
            self._looking = self._disk.submit(self._scenes.titles)

    @property
    def busy(self) -> bool:
        """Whether a scene is being read or changed."""
        return bool(self._reading or self._changing)

    def close(self) -> None:
        """Finish what is being changed. May be called twice."""
        self._disk.shutdown()
