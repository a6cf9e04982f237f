"""Actions: what a control asks for, and the pure function that applies one to the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from livedream.corners import POINTS, moved
from livedream.errors import UsageError
from livedream.settings import Settings, spec_of


@dataclass(frozen=True)
class Set:
    """Give a setting a value."""

    name: str
    value: Any


@dataclass(frozen=True)
class Nudge:
    """Move a number by ``count`` of its own steps."""

    name: str
    count: int


@dataclass(frozen=True)
class Toggle:
    """Turn a switch on or off."""

    name: str


@dataclass(frozen=True)
class Cycle:
    """Go to the next (+1) or previous (-1) value of a setting with a list of values: layer, network, fit."""

    name: str
    count: int


@dataclass(frozen=True)
class MovePoint:
    """Move the corner or the point of the mesh that ``edit_point`` names, or put it back where it began.

    ``by`` is in % of the screen's width and height, right and down; None puts it back.
    """

    by: tuple[float, float] | None


@dataclass(frozen=True)
class SetUnit:
    """Set a setting to a position in its range, 0..1: what a fader sends."""

    name: str
    unit: float


@dataclass(frozen=True)
class Recall:
    """Fade to the scene of this name, in ``fade_s`` seconds or in its own time."""

    scene: str
    fade_s: float | None = None


@dataclass(frozen=True)
class RecallKey:
    """Fade to the scene on a digit, 1 to 9: its file says which key it is on."""

    key: int


@dataclass(frozen=True)
class Store:
    """Store what is shown as the scene of this name, on a digit (1 to 9) if any."""

    scene: str
    key: int = 0


@dataclass(frozen=True)
class Rename:
    """Rename a scene of the user's own."""

    scene: str
    new: str


@dataclass(frozen=True)
class Delete:
    """Delete a scene of the user's own."""

    scene: str


@dataclass(frozen=True)
class Clock:
    """MIDI's clock: 24 ticks a beat, and its start (beat 0 is the next tick), stop and going on.

    ``time_s`` is when it arrived, on ``livedream.timing.now_s``.
    """

    event: Literal["tick", "start", "stop", "continue"]
    time_s: float


@dataclass(frozen=True)
class Beat:
    """The tempo that others play at: ``bpm``, and which beat it was at ``time_s`` (``timing.now_s``)."""

    bpm: float
    beat: float
    time_s: float


@dataclass(frozen=True)
class Learn:
    """Let the next knob or button that moves on a MIDI controller play this setting.

    Without a name it is the setting that was changed last. With a ``source`` it has been learnt: from there.
    """

    setting: str = ""
    source: str = ""


@dataclass(frozen=True)
class GoTo:
    """Play a cue of the cue list: its number, from 1."""

    cue: int


@dataclass(frozen=True)
class SetModulation:
    """Change fields of the modulation with this number, from 1; the one after the last is made.

    ``values`` are by the names of the fields of :class:`livedream.controls.patch.Modulation`.
    """

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class RemoveModulation:
    """Remove the modulation with this number, from 1."""

    number: int


@dataclass(frozen=True)
class SetLfo:
    """Change fields of an LFO, ``lfo1`` to ``lfo8``: those of :class:`livedream.controls.patch.Lfo`."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class SetSource:
    """Show another source, as ``--source`` names it, until the mirror ends."""

    source: str


class Command(Enum):
    """What is neither a setting nor a scene."""

    QUIT = "quit"
    HELP = "help"
    HUD = "information"
    FULL_SCREEN = "full screen"
    ADDRESS = "address"
    SNAPSHOT = "snapshot"
    RECORD = "record"
    TAP = "tap"
    RESYNC = "resync"
    GO = "go"
    CUE_BACK = "back"
    LOCK_KEYS = "lock keys"


#: The commands by names without spaces, as files and addresses have them.
COMMANDS = {command.value.replace(" ", "_"): command for command in Command}

Action = (
    Set
    | SetUnit
    | Nudge
    | Toggle
    | Cycle
    | MovePoint
    | Recall
    | RecallKey
    | Store
    | Rename
    | Delete
    | Clock
    | Beat
    | GoTo
    | Learn
    | SetModulation
    | RemoveModulation
    | SetLfo
    | SetSource
    | Command
)


def apply(settings: Settings, action: Action, *, lists: dict[str, Sequence[Any]] | None = None) -> Settings:
    """The settings after ``action``; the same object when it changes none.

    ``lists`` gives the values of the settings whose values depend on others: the networks there are and
    the layers of the current network. Raises ``UsageError`` for an unknown setting or an impossible value.
    """
    match action:
        case Set(name, value):
            return settings.replace(**{name: value})
        case SetUnit(name, unit):
            value = spec_of(name).from_unit(unit, (lists or {}).get(name, ()))
            return settings.replace(**{name: value})
        case Nudge(name, count):
            return settings.replace(**{name: spec_of(name).nudge(getattr(settings, name), count)})
        case Toggle(name):
            if spec_of(name).kind is not bool:
                raise UsageError(f"setting {name} is not a switch; possible: {spec_of(name).possible}")
            return settings.replace(**{name: not getattr(settings, name)})
        case Cycle(name, count):
            values = list((lists or {}).get(name, spec_of(name).choices))
            if not values:
                raise UsageError(f"setting {name} has no list of values; possible: {spec_of(name).possible}")
            now = getattr(settings, name)
            start = values.index(now) if now in values else 0
            return settings.replace(**{name: values[(start + count) % len(values)]})
        case MovePoint(by):
            if not settings.edit_point:
                raise UsageError(f"no point is chosen: edit_point is 0, expected 1–{POINTS}")
            corners, mesh = moved(settings.corners, settings.mesh, settings.edit_point, by)
            return settings.replace(corners=corners, mesh=mesh)
    return settings
