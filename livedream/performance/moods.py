"""A scene's moods: how it begins for a visitor, what it is while they stand still, and while nobody is there.

A mood is a set of settings that is laid over those of the scene, and faded to and from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from livedream.settings import Settings

MOODS = ("arrival", "still", "alone")
#: A visitor who arrives or moves has the scene back within a second; detecting them takes a fifth of it.
RETURN_S = 0.6
#: A visitor stands still after this long with hardly any motion: less is a pause between two gestures.
STILL_AFTER_S = 1.5
#: Hysteresis of the fraction of a visitor that moves: still below the first, moving above the second. Who
#: talks, or stands as a person does, is at 0.05 to 0.2; who walks or waves at 0.4 to 1.
_STILL, _MOVING = 0.25, 0.45


@dataclass(frozen=True)
class Mood:
    """Settings over those of the scene, and how many seconds it takes to fade to them.

    An arrival is faded *from* instead.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    fade_s: float = 3.0


class Moods:
    """Follows the visitors, and tells which of a scene's moods it is: ``name``, empty for none of them.

    Times are ``now``, in seconds of one clock.
    """

    def __init__(self) -> None:
        self.name = ""
        self._moods: Mapping[str, Mood] = {}
        self._somebody = False
        self._arrived_s = self._moved_s = float("-inf")
        self._moving = True

    def begin(self, moods: Mapping[str, Mood]) -> None:
        """Another scene begins, with these moods by name."""
        self._moods = moods
        if self.name not in moods:
            self.name = ""

    @property
    def all(self) -> Mapping[str, Mood]:
        """The scene's moods by name."""
        return self._moods

    def has(self, name: str) -> bool:
        """Whether the scene has this mood."""
        return name in self._moods

    def leave(self, names: Collection[str]) -> None:
        """Somebody at the controls sets these settings: no mood does, until a scene is recalled."""
        kept = {}
        for name, mood in self._moods.items():
            settings = {n: value for n, value in mood.settings.items() if n not in names}
            kept[name] = Mood(settings, mood.fade_s)
        self._moods = kept

    def over(self, settings: Settings) -> Settings:
        """``settings`` in the present mood."""
        return settings.replace(**self._moods[self.name].settings) if self.name else settings

    def step(self, now: float, somebody: bool | None, motion: float, alone: bool) -> float | None:
        """Follow the visitors; the seconds that a change of mood takes which begins now, None: no change.

        ``somebody`` is None where nobody looks for visitors; ``motion`` is the fraction (0..1) of the visitor
        that moves; ``alone`` is whether nobody has been there for long enough.
        """
        before, name = self.name, self._now(now, bool(somebody), motion, alone)
        if name == before:
            return None
        self.name = name
        if before == "arrival" and not name:
            return self._moods[before].fade_s
        return self._moods[name].fade_s if name in ("still", "alone") else RETURN_S

    def _now(self, now: float, somebody: bool, motion: float, alone: bool) -> str:
        if somebody and not self._somebody:
            self._arrived_s = self._moved_s = now
        self._somebody = somebody
        self._moving = motion > (_STILL if self._moving else _MOVING)
        if self._moving or not somebody:
            self._moved_s = now
        wanted = ""
        if alone:
            wanted = "alone"
        elif somebody and now - self._arrived_s < RETURN_S:
            wanted = "arrival"
        elif somebody and now - self._moved_s >= STILL_AFTER_S:
            wanted = "still"
        return wanted if wanted in self._moods else ""
