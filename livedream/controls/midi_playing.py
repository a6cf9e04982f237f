"""What one MIDI controller's messages ask for, by its map. No ports and no threads here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from livedream.controls.actions import (
    Action,
    Clock,
    Cycle,
    Nudge,
    Recall,
    Set,
    SetUnit,
    Toggle,
)
from livedream.controls.desk import Desk, View
from livedream.controls.midi_map import Binding, MidiMap, default_mode
from livedream.controls.port import Change
from livedream.settings import SPECS, Settings

if TYPE_CHECKING:
    from mido import Message

#: A knob this near to the present value has reached it: two of 127 steps.
_NEAR = 2.5 / 127
_FINE_CCS = 32
_MOST_14 = (1 << 14) - 1
_LEAST_PITCH = -8192


class Player:
    """Plays one controller. ``learn`` is told of a control that was learnt, and of the map with it.

    ``clock`` gives ``timing.now_s``, which ticks of MIDI's clock are stamped with.
    """

    def __init__(
        self,
        map: MidiMap,
        desk: Desk,
        learn: Callable[[MidiMap, Binding], None],
        clock: Callable[[], float],
    ) -> None:
        self.map = map
        self._desk, self._learn, self._clock = desk, learn, clock
        self._settings: Settings | None = None  # newer than the desk's, after a change
        self._taken: dict[Binding, float] = {}  # what a knob has set: it has been picked up
        self._units: dict[Binding, float] = {}  # where each knob was last
        self._coarse: dict[tuple[int, int], int] = {}  # the upper 7 bits of a fine controller
        self._pressed: set[Binding] = set()
        self._sent: set[str] = set()  # settings that this controller has asked to change

    def hear(self, message: Message) -> list[Action]:
        """What a message asks for; nothing for one that is not in the map."""
        if message.type in ("clock", "start", "continue", "stop"):
            return [Clock("tick" if message.type == "clock" else message.type, self._clock())]
        match message.type:
            case "program_change":
                scene = self.map.programs.get(message.program, "")
                return [Recall(scene)] if scene else []
            case "control_change":
                return self._controller(message.channel + 1, message.control, message.value)
            case "pitchwheel":
                bent = message.pitch - _LEAST_PITCH
                return self._moved("pitch", message.channel + 1, 0, bent >> 7, bent / _MOST_14)
            case "note_on" | "note_off":
                level = message.velocity if message.type == "note_on" else 0
                return self._moved("note", message.channel + 1, message.note, level, level / 127)
        return []

    def _controller(self, channel: int, number: int, level: int) -> list[Action]:
        if _FINE_CCS <= number < 2 * _FINE_CCS and self._fine(channel, number - _FINE_CCS):
            coarse = self._coarse.get((channel, number - _FINE_CCS), 0)
            return self._moved("cc", channel, number - _FINE_CCS, coarse, (coarse << 7 | level) / _MOST_14)
        if self._fine(channel, number):
            self._coarse[channel, number] = level
            return self._moved("cc", channel, number, level, (level << 7) / _MOST_14)
        return self._moved("cc", channel, number, level, level / 127)

    def _fine(self, channel: int, number: int) -> bool:
        return any(one.fine and one.matches("cc", channel, number) for one in self.map.controls)

    def _moved(self, kind: str, channel: int, number: int, level: int, unit: float) -> list[Action]:
        """A knob or a button is at ``level`` (0–127), which is ``unit`` of its way."""
        setting = self._desk.learning
        if setting:
            if level or kind == "cc":
                self._desk.learning = ""
                binding = Binding(kind, number, channel, setting, mode=default_mode(setting, kind))
                self.map = self.map.learnt(binding)
                self._pressed.add(binding)
                self._learn(self.map, binding)
            return []
        actions = []
        for binding in self.map.controls:
            if binding.matches(kind, channel, number):
                actions += self._asked(binding, level, unit)
        return actions

    def _asked(self, binding: Binding, level: int, unit: float) -> list[Action]:
        pressed = level >= (1 if binding.kind == "note" else 64)
        newly = pressed and binding not in self._pressed
        (self._pressed.add if pressed else self._pressed.discard)(binding)
        if binding.command is not None:
            return [binding.command] if newly else []
        if binding.scene:
            return [Recall(binding.scene)] if newly else []
        name = binding.setting
        match binding.mode:
            case "pickup":
                return self._picked_up(binding, unit)
            case "jump":
                return [SetUnit(name, unit)]
            case "toggle":
                return [Toggle(name)] if newly else []
            case "hold":
                return [Set(name, pressed)]
            case "next" | "previous":
                return [Cycle(name, 1 if binding.mode == "next" else -1)] if newly else []
            case "up" | "down":
                return [Nudge(name, 1 if binding.mode == "up" else -1)] if newly else []
        steps = turned(binding.mode, level)
        listed = bool(SPECS[name].choices) or SPECS[name].minimum is None
        return [] if not steps else [Cycle(name, steps) if listed else Nudge(name, steps)]

    def _picked_up(self, binding: Binding, unit: float) -> list[Action]:
        """Soft takeover: a knob moves its setting only after it has reached the present value."""
        before, self._units[binding] = self._units.get(binding), unit
        now = self._unit(binding)
        if binding not in self._taken:
            crossed = before is not None and (before - now) * (unit - now) <= 0
            if not crossed and abs(unit - now) > _NEAR:
                return []
        self._taken[binding] = unit
        self._sent.add(binding.setting)
        return [SetUnit(binding.setting, unit)]

    def _unit(self, binding: Binding) -> float:
        """Where the setting is now, 0..1."""
        view = self._desk.view
        settings = self._settings or view.settings
        value = getattr(settings, binding.setting)
        return SPECS[binding.setting].to_unit(value, view.lists.get(binding.setting, ()))

    def follow(self, change: Change, own: bool) -> None:
        """Settings have changed; ``own`` is whether a MIDI controller asked for it."""
        self._settings = change.settings
        others = set(change.names) - (self._sent if own else set())
        self._sent -= set(change.names)
        self._taken = {one: unit for one, unit in self._taken.items() if one.setting not in others}

    def lights(self, view: View) -> dict[tuple[str, int, int], int]:
        """How its lamps and rings are to be: (``cc`` or ``note``, channel from 1, number) to 0–127."""
        settings = self._settings or view.settings
        found = {}
        for one in self.map.controls:
            if not one.light or one.kind == "pitch":
                continue
            if one.setting:
                spec = SPECS[one.setting]
                unit = spec.to_unit(getattr(settings, one.setting), view.lists.get(one.setting, ()))
            else:
                unit = float(bool(one.scene) and one.scene == view.scene)
            found[one.kind, max(1, one.channel), one.number] = round(unit * 127)
        return found


def turned(mode: str, level: int) -> int:
    """By how many steps an endless encoder was turned, below 0 to the left."""
    if mode == "twos":
        return level if level < 64 else level - 128
    if mode == "offset":
        return level - 64
    return -(level & 0x3F) if level & 0x40 else level & 0x3F
