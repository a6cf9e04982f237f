"""The performance: the settings as they are played, by keys, scenes, fades and the attract mode.

No disk is waited for: scenes are read and stored in a thread of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from livedream.controls.actions import Action, Cycle, Toggle
from livedream.errors import LivedreamError, UsageError
from livedream.networks.catalogue import installed_networks
from livedream.performance.attract import ATTRACT_SCENE, RETURN_S, Attract
from livedream.performance.fade import Fade
from livedream.performance.scenes import SHIPPED_DIR, Scene, Scenes
from livedream.performance.state import PlayState, consistent, require_weights
from livedream.settings import Settings

log = logging.getLogger(__name__)

#: What is done to the layer that is dreamt, not to the one that a journey set out from.
_LEAVES_JOURNEY = (Toggle("journey"), Cycle("layer", 1), Cycle("layer", -1))

#: What is left of the attract dream when the mirror is back.
_LEFT = 0.05

_Found = tuple[Scene, tuple[str, ...]]  # a scene, and the networks whose weights are here
News = tuple[str, bool]  # a line for the operator, and whether it is an alarm


def possible(
    scene: Scene, base: Settings, networks: Collection[str] | None = None
) -> tuple[Settings, tuple[str, ...]]:
    """All settings when ``scene`` is shown where ``base`` was, and what of the scene could not be used.

    The network stays unless the new one is among ``networks``; None stands for all that there are.
    """
    problems = list(scene.problems)
    # What can be wrong without being out of range: each depends on the one before.
    names = [name for name in ("network", "layer", "channels") if name in scene.settings]
    rest = {name: value for name, value in scene.settings.items() if name not in names}
    settings = consistent(replace(scene, settings=rest).over(base))
    for name in names:
        try:
            changed = consistent(settings.replace(**{name: scene.settings[name]}), settings)
            if networks is not None and changed.network != settings.network:
                require_weights(changed.network, networks)
            settings = changed
        except UsageError as error:
            problems.append(f"scene {scene.name}: {name}: {error}")
    return settings, tuple(problems)


class Performance:
    """Holds the state, and plays it. Times are ``now``, in seconds of one clock.

    ``settings`` are what is shown now; ``scene`` is the name of the last scene.
    """

    def __init__(self, state: PlayState, scenes: Scenes, now: float, scene: str = "") -> None:
        self.scene = scene
        self.attract = Attract(now)
        self._state = state
        self._scenes = scenes
        self._fade: Fade | None = None
        self._mirrored: Settings | None = None  # to be gone back to when the attract dream ends
        self._disk = ThreadPoolExecutor(1, "scenes")
        self._reading: list[tuple[Future[_Found], str]] = []  # and its name, or its key
        self._storing: list[Future[Path]] = []
        self._somebody = False
        self._dream_fps = 30.0
        self.settings = state.settings

    def step(self, now: float, somebody: bool | None, dream_fps: float = 30.0) -> list[News]:
        """Play on to ``now``; what is to be said.

        ``somebody`` is None where nobody looks for visitors; the dream ticks ``dream_fps`` times a second.
        """
        self._dream_fps = dream_fps
        news = self._read(now) + self._stored()
        self._somebody = bool(somebody)
        match self.attract.step(now, somebody is not False, self._state.settings.attract_after_s):
            case "begin":
                self._mirrored = self._state.settings
                self._begin_to_read(lambda: self._scenes.named(ATTRACT_SCENE), ATTRACT_SCENE)
            case "end":
                self._go_back(now)
        self._play(now)
        return news

    def act(self, action: Action, now: float, dream: dict[str, Any]) -> None:
        """Let a control change a setting. Raises ``UsageError`` when that cannot be.

        ``dream`` is what the dream process says: its guides, and where a journey is.
        """
        if self.attract.wake(now):
            self._go_back(now)
        guides: Sequence[str] = dream.get("guides", ())
        shown = dream.get("shown")
        state = self._state
        if self.settings.journey and shown and action in _LEAVES_JOURNEY:
            state = state.instead(layer=shown["layer"])
        self._set(state.after(action, guides))
        self._play(now)

    def fall_back(self, dream: dict[str, Any]) -> None:
        """When the wanted network, layer or guide cannot be dreamt, want again what is dreamt."""
        failed, settings = dream.get("failed", {}), self._state.settings
        instead: dict[str, Any] = {}
        wanted = settings.network, settings.layer
        if (failed.get("network"), failed.get("layer", settings.layer)) == wanted and (
            dream.get("network"),
            dream.get("layer"),
        ) != wanted:
            instead |= {name: dream[name] for name in ("network", "layer", "channels")}
        if failed.get("guide") == settings.guide != dream.get("guide"):
            instead["guide"] = dream["guide"]
        if instead:
            self._set(self._state.instead(**instead))

    def recall(self, key: int) -> None:
        """Begin to read the scene on a digit, and then to fade to it."""
        self._begin_to_read(lambda: self._scenes.on_key(key), f"on key {key}")

    def store(self, key: int) -> None:
        """Begin to store under a digit what is shown, or faded to."""
        self._storing.append(self._disk.submit(self._scenes.store, self._state.settings, key))

    @property
    def busy(self) -> bool:
        """Whether a scene is being read or stored."""
        return bool(self._reading or self._storing)

    def close(self) -> None:
        """Finish what is being stored. May be called twice."""
        self._disk.shutdown()

    def _set(self, state: PlayState) -> None:
        self._state = state
        if self._fade is not None:
            self._fade = self._fade.towards(self._state.settings)

    def _faded(self, now: float) -> Settings:
        return self._state.settings if self._fade is None else self._fade.at(now)

    def _play(self, now: float) -> None:
        if self._fade is not None and self._fade.over(now):
            self._fade = None
        settings = self._faded(now)
        if settings.journey_for_visitors and self._somebody and not settings.journey:
            settings = settings.replace(journey=True)
        if settings != self.settings:
            self.settings = settings

    def _fade_to(self, goal: Settings, now: float, duration_s: float, persistence: float = 1.0) -> None:
        before = self._faded(now)
        self._state = replace(self._state, settings=goal)
        self._fade = Fade(before, goal, now, duration_s, persistence) if duration_s > 0 else None

    def _go_back(self, now: float) -> None:
        if self._mirrored is not None:
            ticks = max(1.0, self._dream_fps * RETURN_S)  # a slow dream has only few to let go of the old
            self._fade_to(self._mirrored, now, RETURN_S, _LEFT ** (1 / ticks))
            self._mirrored = None

    def _begin_to_read(self, read: Callable[[], Scene], asked: str) -> None:
        self._reading.append((self._disk.submit(lambda: (read(), installed_networks())), asked))

    def _read(self, now: float) -> list[News]:
        news: list[News] = []
        while self._reading and self._reading[0][0].done():
            read, asked = self._reading.pop(0)
            try:
                scene, networks = read.result()
                self._state = self._state.with_networks(networks)
                news += self._show(scene, now, attracts=asked == ATTRACT_SCENE)
            except LivedreamError as error:
                news.append((str(error), True))
            except Exception as error:  # no file may end the show
                log.exception("scene %s cannot be shown", asked)
                news.append((f"scene {asked} cannot be shown: {type(error).__name__}: {error}", True))
        return news

    def _show(self, scene: Scene, now: float, *, attracts: bool) -> list[News]:
        news: list[News] = []
        if attracts and not self.attract.active:
            return news  # somebody has come meanwhile
        if not attracts and self.attract.wake(now):
            self._go_back(now)
        goal, problems = possible(scene, self._state.settings, self._state.networks)
        self._fade_to(goal, now, scene.fade_s)
        if not attracts:
            self.scene = scene.name
            news.append((f"scene: {scene.title}", False))
        return news + [(problem, True) for problem in problems]

    def _stored(self) -> list[News]:
        news: list[News] = []
        while self._storing and self._storing[0].done():
            error, path = self._storing[0].exception(), self._storing.pop(0)
            news.append((str(error), True) if error else (f"scene stored: {path.result()}", False))
        return news


def listing(scenes: Scenes) -> str:
    """Every scene, its key and title, and what is wrong with its file, in lines."""
    lines, networks = [], installed_networks()
    for name, path in scenes.paths().items():
        try:
            scene = scenes.named(name)
        except UsageError as error:
            lines.append(f"     {error}")
            continue
        own = "" if path.parent == SHIPPED_DIR else f" ({path})"
        lines.append(f"{scene.key or ' ':>3}  {name:12} {scene.title}{own}")
        lines += [f"     {problem}" for problem in possible(scene, Settings(), networks)[1]]
    return "\n".join(lines) + f"\nyour own: {scenes.own}\n"
