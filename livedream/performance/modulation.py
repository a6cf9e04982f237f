"""The modulation matrix: sources move settings around what is wanted, and never change what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livedream.controls.actions import RemoveModulation, SetLfo, SetModulation
from livedream.controls.patch import LFOS, Lfo, Patch
from livedream.curves import decay, smoothstep
from livedream.performance.lfo import level
from livedream.settings import SPECS, Settings
from livedream.timing import Pacer

#: Modulated settings move this often: once for each picture.
_RATE_HZ = 60.0
#: How long a change by hand takes, and switching all modulation on or off.
EDIT_S = 0.15
#: After a pause nothing leaps.
_LONGEST_STEP_S = 0.5

#: Reads the value (0..1) of a source of ``patch.SENSES``, but for ``beat``.
Sense = Callable[[str], float]


def no_sense(name: str) -> float:
    """A sense where there is none."""
    return 0.0


@dataclass(frozen=True)
class _Ramp:
    """A number on its way to another."""

    before: float
    goal: float
    start_s: float
    duration_s: float

    def at(self, now: float) -> float:
        if now >= self.start_s + self.duration_s:
            return self.goal
        return self.before + smoothstep((now - self.start_s) / self.duration_s) * (self.goal - self.before)

    def to(self, goal: float, now: float, duration_s: float) -> _Ramp:
        return _Ramp(self.at(now), goal, now, duration_s)


_Key = tuple[str | Lfo, str]


@dataclass
class _Route:
    """One modulation at work: its amount fades, its value follows the source."""

    amount: _Ramp
    attack_s: float = 0.0
    release_s: float = 0.0
    value: float = 0.0

    def follow(self, goal: float, elapsed_s: float) -> None:
        half_life_s = self.attack_s if abs(goal) > abs(self.value) else self.release_s
        kept = decay(half_life_s, elapsed_s) if half_life_s > 0 else 0.0
        self.value = goal + (self.value - goal) * kept


class Matrix:
    """Lays the modulations of a patch over settings. Times are ``now``, in seconds of one clock."""

    def __init__(self, patch: Patch | None = None) -> None:
        self.patch = Patch()
        self._routes: dict[_Key, _Route] = {}
        self._depth = _Ramp(1.0, 1.0, 0.0, 0.0)
        self._pace = Pacer(_RATE_HZ)
        self._last_s: float | None = None
        self._offsets: dict[str, float] = {}
        self._made: tuple[Settings, dict[str, Any], Settings] | None = None
        if patch is not None:
            self.begin(patch, 0.0, 0.0)

    @property
    def active(self) -> bool:
        """Whether anything is modulated, or still fades out."""
        return bool(self._routes)

    def begin(self, patch: Patch, now: float, fade_s: float) -> None:
        """Fade to another patch; what both have goes on."""
        self.patch = patch
        wanted: dict[_Key, float] = {}
        for one in patch.modulations:
            key: _Key = (patch.lfo(one.source) if one.source in LFOS else one.source, one.setting)
            wanted[key] = wanted.get(key, 0.0) + one.amount
            route = self._routes.setdefault(key, _Route(_Ramp(0.0, 0.0, now, 0.0)))
            route.attack_s, route.release_s = one.attack_s, one.release_s
        for key, route in self._routes.items():
            goal = wanted.get(key, 0.0)
            if route.amount.goal != goal:
                route.amount = route.amount.to(goal, now, fade_s)

    def act(self, action: SetModulation | RemoveModulation | SetLfo, now: float) -> None:
        """Change the patch as a control asks. Raises ``UsageError``."""
        match action:
            case SetModulation(number, values):
                patch = self.patch.with_modulation(number, values)
            case RemoveModulation(number):
                patch = self.patch.without_modulation(number)
            case SetLfo(name, values):
                patch = self.patch.with_lfo(name, values)
        self.begin(patch, now, EDIT_S)

    def over(self, settings: Settings, now: float, beats: float | None, sense: Sense) -> Settings:
        """``settings`` as they are modulated at ``now``; the same object where nothing is.

        ``beats`` is the position in beats, None without a tempo.
        """
        if not self._routes:
            return settings
        if self._pace.due(now):
            self._offsets = self._measured(settings, now, beats, sense)
        changes = {}
        for name, offset in self._offsets.items():
            spec = SPECS[name]
            value = getattr(settings, name)
            moved = spec.from_unit(spec.to_unit(value) + offset) if offset else value
            if moved != value:
                changes[name] = moved
        if not changes:
            return settings
        if self._made is None or self._made[0] != settings or self._made[1] != changes:
            self._made = settings, changes, settings.replace(**changes)
        return self._made[2]

    def _measured(
        self, settings: Settings, now: float, beats: float | None, sense: Sense
    ) -> dict[str, float]:
        """How far each setting is moved now, in parts of its range."""
        elapsed_s = 0.0 if self._last_s is None else min(max(0.0, now - self._last_s), _LONGEST_STEP_S)
        self._last_s = now
        if self._depth.goal != settings.modulation:
            self._depth = self._depth.to(float(settings.modulation), now, EDIT_S)
        depth = self._depth.at(now)
        offsets: dict[str, float] = {}
        for (source, name), route in list(self._routes.items()):
            amount = route.amount.at(now)
            if amount == route.amount.goal == 0:
                del self._routes[source, name]
                continue
            route.follow(_value(source, now, beats, sense), elapsed_s)
            offsets[name] = offsets.get(name, 0.0) + depth * amount * route.value
        return offsets


def _value(source: str | Lfo, now: float, beats: float | None, sense: Sense) -> float:
    if isinstance(source, Lfo):
        return level(source, now, beats)
    if source == "beat":
        return 0.0 if beats is None else (1 - beats % 1) ** 2
    return min(1.0, max(0.0, sense(source)))
