"""A patch: which sources move which settings, and the LFOs among the sources."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from livedream.errors import UsageError, quoted
from livedream.settings import SPECS

SHAPES = ("sine", "triangle", "saw up", "saw down", "square", "random", "smooth random")
#: The names that LFOs may have.
LFOS = tuple(f"lfo{number}" for number in range(1, 9))
#: What is heard with ``--audio``.
HEARD = ("bass", "mid", "treble", "level", "onset")
#: The sources besides, each 0 to 1: see ``docs/modulation.md``.
SENSES = ("beat", *HEARD, "presence", "motion", "distance", "time_of_day")
#: The settings that can be modulated: numbers that a scene may hold, but not those that open graphs.
MODULABLE = tuple(name for name, spec in SPECS.items() if spec.modulable)
#: More modulations than this are a mistake.
MOST_MODULATIONS = 32


@dataclass(frozen=True)
class Lfo:
    """A slow oscillator, -1 to 1. ``shape`` is one of :data:`SHAPES`.

    A cycle takes ``period_s`` seconds, or, above 0, ``beats`` beats of the tempo. ``phase`` (0..1 of a
    cycle) is how far it is ahead. Raises ``UsageError`` for impossible values.
    """

    shape: str = "sine"
    period_s: float = 8.0
    beats: float = 0.0
    phase: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UsageError(f"shape: invalid value {quoted(self.shape)}: expected {', '.join(SHAPES)}")
        _number(self, "period_s", 0.1, 86400, "s")
        _number(self, "beats", 0, 1024, "beats; 0: period_s")
        _number(self, "phase", 0, 1, "")


@dataclass(frozen=True)
class Modulation:
    """``source`` moves ``setting`` by ``amount``, -1 to 1 of the setting's range.

    ``attack_s`` and ``release_s`` are half-lives of what is left to go, on the way out and back. Raises
    ``UsageError`` for impossible values.
    """

    source: str
    setting: str
    amount: float = 0.25
    attack_s: float = 0.0
    release_s: float = 0.0

    def __post_init__(self) -> None:
        if self.source not in (*LFOS, *SENSES):
            raise UsageError(
                f"source: invalid value {quoted(self.source)}: expected {LFOS[0]}–{LFOS[-1]},"
                f" {', '.join(SENSES)}"
            )
        if self.setting not in MODULABLE:
            raise UsageError(
                f"setting: invalid value {quoted(self.setting)}: expected {', '.join(MODULABLE)}"
            )
        _number(self, "amount", -1, 1, "")
        _number(self, "attack_s", 0, 60, "s")
        _number(self, "release_s", 0, 60, "s")


def _number(of: object, name: str, low: float, high: float, unit: str) -> None:
    value = getattr(of, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        expected = f"{low:g}–{high:g}" + (f" {unit}" if unit else "")
        raise UsageError(f"{name}: invalid value {quoted(value)}: expected {expected}")
    object.__setattr__(of, name, float(value))


@dataclass(frozen=True)
class Patch:
    """The modulations of a scene in their order, and its LFOs by name; one that has none is at defaults."""

    modulations: tuple[Modulation, ...] = ()
    lfos: Mapping[str, Lfo] = field(default_factory=dict)

    def lfo(self, name: str) -> Lfo:
        """The LFO of this name. Raises ``UsageError`` for one that there is not."""
        if name not in LFOS:
            raise UsageError(f"unknown LFO {quoted(name)}; possible: {', '.join(LFOS)}")
        return self.lfos.get(name, Lfo())

    def with_modulation(self, number: int, values: Mapping[str, Any]) -> Patch:
        """Other fields of a modulation; the one after the last is made. Raises ``UsageError``."""
        modulations = list(self.modulations)
        if number == len(modulations) + 1 <= MOST_MODULATIONS:
            fields = {"source": "", "setting": "", **_known(Modulation, values)}
            modulations.append(Modulation(**fields))
        else:
            index = self._index(number)
            modulations[index] = dataclasses.replace(modulations[index], **_known(Modulation, values))
        return dataclasses.replace(self, modulations=tuple(modulations))

    def without_modulation(self, number: int) -> Patch:
        """A patch with one modulation less. Raises ``UsageError`` when there is none of this number."""
        index = self._index(number)
        modulations = self.modulations[:index] + self.modulations[index + 1 :]
        return dataclasses.replace(self, modulations=modulations)

    def with_lfo(self, name: str, values: Mapping[str, Any]) -> Patch:
        """Other fields of an LFO. Raises ``UsageError``."""
        lfo = dataclasses.replace(self.lfo(name), **_known(Lfo, values))
        return dataclasses.replace(self, lfos={**self.lfos, name: lfo})

    def _index(self, number: int) -> int:
        count = len(self.modulations)
        if not 1 <= number <= count:
            possible = f"1–{count}" if count else "none: there is no modulation"
            raise UsageError(f"unknown modulation {number}; possible: {possible}")
        return number - 1


def _known(kind: type, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """``values``, with numbers for numeric texts. Raises ``UsageError`` for a name that is no field."""
    names = [f.name for f in dataclasses.fields(kind)]
    unknown = [name for name in values if name not in names]
    if unknown:
        raise UsageError(f"unknown field {quoted(unknown[0])}; possible: {', '.join(names)}")
    texts = ("source", "setting", "shape")
    return {name: value if name in texts else _numeric(value) for name, value in values.items()}


def _numeric(value: Any) -> Any:
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return value if isinstance(number, float) and math.isnan(number) else number
