"""The settings store: what is played now, by controls, scenes, fades and the attract mode.

It never waits for a disk: scenes are read and stored on a thread of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from livedream.controls.actions import (
    Action,
    Beat,
    Clock,
    Cycle,
    Delete,
    GoTo,
    Recall,
    RecallKey,
    RemoveModulation,
    Rename,
    SetLfo,
    SetModulation,
    Store,
    Toggle,
)
from livedream.controls.desk import CueNews, SceneTitle
from livedream.controls.patch import Patch
from livedream.controls.port import Change
from livedream.curves import half_life_s
from livedream.errors import LivedreamError, UsageError
from livedream.performance.attract import Attract
from livedream.performance.cue_player import CUE, NO_CUES, Cues
from livedream.performance.fade import Fade
from livedream.performance.modulation import Matrix, Sense, no_sense
from livedream.performance.moods import RETURN_S, Moods
from livedream.performance.played import Played
from livedream.performance.possible import possible, usable_moods
from livedream.performance.scene_files import News, SceneFiles
from livedream.performance.scenes import Scene, Scenes
from livedream.performance.state import (
    Dreamt,
    PlayState,
    consistent,
    require_exported,
    words_news,
)
from livedream.performance.tempo import Legs, Tempo
from livedream.settings import SPECS, WORD_SETTINGS, Settings

#: Actions that leave a journey for the layer that it has reached, not for the one that it set out from; and
#: those that leave a walk, or what is recognised, for the word that is dreamt.
_LEAVES_JOURNEY = (Toggle("journey"), Cycle("layer", 1), Cycle("layer", -1))
_LEAVES_WORDS = (Toggle("word_walk"), Cycle("dream_of", 1), Cycle("dream_of", -1))
#: Before the dream process has said anything.
_UNKNOWN = Dreamt()
#: How much of the attract dream is left when the mirror is back.
_LEFT = 0.05


class Performance:
    """Holds the settings, and plays them. Times are ``now``, in seconds of one clock.

    ``played`` is what is shown now; ``scene`` is the name of the last scene. ``tempo`` follows the setting
    ``bpm``, and the other way round. ``sense`` reads what else can modulate; ``cues``
    is the cue list that is played, if any: there is no attract mode then.
    """

    def __init__(
        self, state: PlayState, scenes: Scenes, now: float, scene: str = "", cues: Cues | None = None
    ) -> None:
        self.scene = scene
        self.attract = Attract(now)
        self.played = Played(state.settings)
        self._state = state
        self._moods = Moods()
        self.tempo, self._bpm, self._legs = Tempo(), 0.0, Legs()
        self._matrix = Matrix()
        self.sense: Sense = no_sense
        self.cues = cues
        if scene:
            begun = scenes.named(scene)
            self._begin_moods(begun)
            self._matrix.begin(begun.patch, now, 0.0)
        self._goal = state.settings  # what is wanted, in the present mood
        self._fade: Fade | None = None
        self._persistence_limit_s: float | None = None
        self._mirrored: tuple[Settings, Patch] | None = None  # to return to when the attract dream ends
        self._files = SceneFiles(scenes)
        self._changes: list[Change] = []
        self._news: list[News] = []  # not told yet
        self._somebody = False

    @property
    def settings(self) -> Settings:
        """The settings that are played now."""
        return self.played.settings

    def step(
        self, now: float, somebody: bool | None, motion: float = 1.0, *, blind: bool = False
    ) -> list[News]:
        """Play on to ``now``; returns what the operator should read.

        ``somebody`` is whether a visitor is there, None where nobody looks for visitors; ``motion`` is the
        fraction (0..1) of them that moves. ``blind``: the camera that looked for them is lost.
        """
        self._follow_tempo(now)
        found, told = self._files.results()
        news, self._news = self._news + told, []
        for one in found:
            self._state = self._state.with_networks(one.networks)
            news += self._recall(one.scene, one.asked, one.origin, now)
        self._somebody = bool(somebody)
        after_s = self._state.settings.attract_after_s
        if self.cues is not None:
            after_s = 0.0
            recall, told = self.cues.step(now, self.tempo.beats(now), somebody)
            news += told
            if recall is not None:
                self._files.read(recall, CUE)
        match self.attract.step(now, somebody is not False, after_s, blind=blind):
            case "begin" if not self._moods.has("alone"):
                self._mirrored = self._state.settings, self._matrix.patch
                self._files.read(None, "attract")
            case "end":
                self._go_back(now)
        self._follow(now, somebody, motion)
        self._play(now)
        return news

    def act(self, action: Action, now: float, dreamt: Dreamt = _UNKNOWN, origin: str = "") -> None:
        """Let the control called ``origin`` change a setting, or recall or store a scene.

        ``dreamt`` is what the dream process does now. Raises ``UsageError`` or ``MissingPackageError`` when
        that is not possible.
        """
        match action:
            case Recall() | RecallKey():
                self._files.read(action, origin)
            case GoTo(number) if self.cues is not None:
                self.cues.player.go_to(number)
            case GoTo():
                raise UsageError(NO_CUES)
            case Store(name, key):
                self._files.store(self._state.settings, name, key, self._moods.all, self.patch)
            case Rename(name, new):
                self._files.rename(name, new)
            case Delete(name):
                self._files.delete(name)
            case Clock() | Beat():
                self.tempo.act(action, origin)
            case SetModulation() | RemoveModulation() | SetLfo():
                self._matrix.act(action, now)
            case _:
                if self.attract.wake(now):
                    self._go_back(now)
                state = self._state
                if self.settings.journey and dreamt.layer and action in _LEAVES_JOURNEY:
                    state = state.instead(layer=dreamt.layer)
                moving = self.settings.word_walk or (self.settings.surprise and isinstance(action, Cycle))
                if moving and dreamt.word and action in _LEAVES_WORDS:
                    state = state.instead(dream_of=dreamt.word)
                self._change(state.after(action, dreamt.guides), origin)
                self._play(now)

    def replace(self, origin: str, **changes: Any) -> None:
        """Want other settings from now on, because the wanted ones are not possible."""
        self._change(self._state.instead(**changes), origin)

    def restore(self, settings: Settings, origin: str) -> None:
        """Go back to earlier ``settings`` of the scene; what belongs to place, machine and person stays."""
        kept = {name: getattr(settings, name) for name, spec in SPECS.items() if spec.scope == "scene"}
        self._fade = None
        self._change(replace(self._state, settings=self._state.settings.replace(**kept)), origin)

    @property
    def wanted(self) -> Settings:
        """The settings that are wanted: the goal of a fade, not its present point."""
        return self._goal

    @property
    def lasting(self) -> Settings:
        """The settings to go on with after an interruption: the mirror's, even during the attract dream."""
        return self._state.settings if self._mirrored is None else self._mirrored[0]

    @property
    def patch(self) -> Patch:
        """What is modulated by what."""
        return self._matrix.patch

    @property
    def cue(self) -> CueNews:
        """Where the cue list is."""
        return CueNews() if self.cues is None else self.cues.player.news()

    def begin(self, now: float) -> None:
        """The first dream is on the screen: a cue list counts from now on."""
        if self.cues is not None:
            self.cues.player.begin(now)

    def tap(self, now: float) -> None:
        """A tap of the tempo."""
        self.tempo.tap(now)
        self._follow_tempo(now)

    def changes(self) -> list[Change]:
        """What has changed since the last call, for the controls."""
        changes, self._changes = self._changes, []
        return changes

    @property
    def scenes(self) -> tuple[SceneTitle, ...]:
        """The scenes there are, as last seen."""
        return self._files.titles

    @property
    def lists(self) -> dict[str, Sequence[Any]]:
        """The values of settings that depend on others: networks, layers, channels, words."""
        return self._state.lists()

    @property
    def busy(self) -> bool:
        """Whether a scene is being read or stored."""
        return self._files.busy

    def close(self) -> None:
        """Finish what is being stored. May be called twice."""
        self._files.close()
        if self.cues is not None:
            self.cues.close()

    def _begin_moods(self, scene: Scene) -> None:
        """The moods of the scene that the show begins with; they leave alone what was set beside it."""
        settings, networks = self._state.settings, self._state.networks
        self._moods.begin(usable_moods(scene, settings, networks)[0])
        own = possible(scene, settings, networks)[0]
        self._moods.leave(own.differences(settings))

    def _change(self, state: PlayState, origin: str) -> None:
        """Set what no mood shall change any more."""
        before, after = self._state.settings, state.settings
        changed = before.differences(after)
        self._moods.leave(changed)
        if not set(changed).isdisjoint(WORD_SETTINGS):
            self._news = [(words_news(after), False)]
        self._set(state, origin)

    def _set(self, state: PlayState, origin: str) -> None:
        before, self._state = self._state.settings, state
        names = before.differences(state.settings)
        if names:
            self._changes.append(Change(origin, names, state.settings, self.scene))
        self._aim()
        if self._fade is not None:
            self._fade = self._fade.towards(self._goal)

    def _aim(self) -> None:
        """Make what is wanted the goal, in the present mood if that is possible."""
        settings = self._state.settings
        try:
            mooded = self._moods.over(settings)
            self._goal = consistent(mooded, settings)
            if mooded is not settings:
                require_exported(self._goal)
        except LivedreamError:
            self._goal = settings

    def _follow_tempo(self, now: float) -> None:
        """Keep the setting ``bpm`` and the tempo the same, whichever has changed."""
        wanted, tempo = self._state.settings.bpm, self.tempo
        if wanted != self._bpm:
            tempo.set(wanted, now)
        elif (bpm := round(tempo.bpm, 1)) != wanted:
            self._set(self._state.instead(bpm=bpm), tempo.origin)
            if self._mirrored is not None:
                self._mirrored = self._mirrored[0].replace(bpm=bpm), self._mirrored[1]
        self._bpm = self._state.settings.bpm

    def _follow(self, now: float, somebody: bool | None, motion: float) -> None:
        """Fade to another mood of the scene, if the visitors have changed it."""
        before = self._moods.name
        alone = self.attract.active and self._mirrored is None
        fade_s = self._moods.step(now, somebody, motion, alone)
        if fade_s is None:
            return
        shown = self._faded(now)
        self._aim()
        self._fade = Fade(shown, self._goal, now, fade_s) if fade_s > 0 else None
        if before == "alone":
            self._persistence_limit_s = half_life_s(_LEFT, RETURN_S)

    def _faded(self, now: float) -> Settings:
        return self._goal if self._fade is None else self._fade.at(now)

    def _play(self, now: float) -> None:
        if self._fade is not None and self._fade.over(now):
            self._fade = self._persistence_limit_s = None
        settings = self._faded(now)
        if settings.journey_for_visitors and self._somebody and not settings.journey:
            settings = settings.replace(journey=True)
        transition_s = None if self._fade is None else self._fade.duration_s
        moved = self._matrix.over(settings, now, self.tempo.beats(now), self.sense)
        centre = settings if self._matrix.active else None
        self._legs.step(settings, self.tempo.beats(now), now)
        self.played = Played(moved, transition_s, self._persistence_limit_s, centre, self._legs.began_s)

    def _fade_to(self, goal: Settings, now: float, duration_s: float, origin: str) -> None:
        before = self._faded(now)
        self._fade = self._persistence_limit_s = None
        self._set(replace(self._state, settings=goal), origin)
        if duration_s > 0:
            self._fade = Fade(before, self._goal, now, duration_s)

    def _go_back(self, now: float) -> None:
        if self._mirrored is not None:
            settings, patch = self._mirrored
            self._matrix.begin(patch, now, RETURN_S)
            self._fade_to(settings, now, RETURN_S, "attract")
            self._persistence_limit_s = half_life_s(_LEFT, RETURN_S)
            self._mirrored = None

    def _recall(self, scene: Scene, asked: Recall | RecallKey | None, origin: str, now: float) -> list[News]:
        if asked is None and not self.attract.active:
            return []  # a visitor came while the attract scene was being read
        if asked is not None and self.attract.wake(now):
            self._go_back(now)
        goal, problems = possible(scene, self._state.settings, self._state.networks)
        fade_s = asked.fade_s if isinstance(asked, Recall) and asked.fade_s is not None else scene.fade_s
        news: list[News] = []
        if asked is not None:
            moods, wrong = usable_moods(scene, self._state.settings, self._state.networks)
            problems += wrong
            self._moods.begin(moods)
            self.scene = scene.name
            if origin != CUE:  # which has said more
                if self.cues is not None:
                    self.cues.player.hold()
                news.append((f"scene: {scene.title}", False))
        self._matrix.begin(scene.patch, now, fade_s)
        self._fade_to(goal, now, fade_s, origin)
        return news + [(problem, True) for problem in problems]
