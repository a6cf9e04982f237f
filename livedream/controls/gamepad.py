"""Gamepads as a control: every one that is plugged in, also while another window has the focus.

SDL is asked in the show's own thread, which takes microseconds; a pad that comes later is found within a
second.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, Protocol

from livedream.controls.actions import Action, Cycle, Nudge, Recall, Set, SetUnit, Toggle
from livedream.controls.desk import Desk
from livedream.controls.gamepad_map import PadBinding
from livedream.controls.port import Change, Refusal
from livedream.settings import SPECS, Settings
from livedream.timing import Pacer, now_s

log = logging.getLogger(__name__)

_SDL = "pygame._sdl2.controller"
_LOOK_HZ, _READ_HZ = 1.0, 60.0
#: Worn sticks rest this far from their middle.
_DEAD = 0.15
#: A stick pushed all the way moves its setting through half of its range in a second.
_RATE = 0.5
_MOST = 32767


class Pad(Protocol):
    """As much of pygame's ``Controller`` as is used."""

    @property
    def name(self) -> str:
        """What its maker calls it."""

    def attached(self) -> bool:
        """Whether it is still plugged in."""

    def get_axis(self, axis: int) -> int:
        """Where a stick or trigger is: -32768 to 32767, or 0 to 32767."""

    def get_button(self, button: int) -> bool:
        """Whether a button is pressed."""

    def quit(self) -> None:
        """Close it."""


class Pads(Protocol):
    """The gamepads of this machine."""

    def update(self) -> None:
        """Take what has happened."""

    def found(self) -> dict[int, Pad]:
        """Those that are plugged in, by numbers that no other one ever gets."""


def _import_sdl() -> ModuleType:
    """pygame's gamepads, without its greeting."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return import_module(_SDL)


class SdlPads:
    """Gamepads by SDL."""

    def __init__(self) -> None:
        # Otherwise a pad is dead while a terminal, say, has the focus.
        os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
        self._sdl: Any = _import_sdl()
        self._sdl.init()
        self._open: dict[int, Pad] = {}

    def update(self) -> None:
        """See :class:`Pads`."""
        self._sdl.update()

    def found(self) -> dict[int, Pad]:
        """See :class:`Pads`."""
        self._open = {number: pad for number, pad in self._open.items() if pad.attached()}
        count = self._sdl.get_count()
        for index in range(count if count > len(self._open) else 0):
            if self._sdl.is_controller(index):
                pad = self._sdl.Controller(index)
                number = pad.as_joystick().get_instance_id()
                self._open.setdefault(number, pad)
        return dict(self._open)


class Gamepads:
    """All gamepads, played by one map. ``clock`` is in seconds."""

    name = "gamepad"

    def __init__(
        self,
        desk: Desk,
        map: Sequence[PadBinding],
        pads: Callable[[], Pads] = SdlPads,
        clock: Callable[[], float] = now_s,
    ) -> None:
        self._desk, self._map, self._clock, self._opening = desk, tuple(map), clock, pads
        self._pads: Pads | None = None
        # Importing it takes longer than a picture.
        self._importing = threading.Thread(target=_import_sdl, name="import of pads", daemon=True)
        self._importing.start()
        self._found: dict[int, Pad] = {}
        self._look, self._read = Pacer(_LOOK_HZ), Pacer(_READ_HZ)
        self._read_s = clock()
        self._pressed: set[tuple[int, PadBinding]] = set()
        self._ways: dict[tuple[int, PadBinding], float] = {}  # where sticks are, and triggers
        self._units: dict[str, float] = {}  # of settings that a rate moves, between their steps
        self._settings: Settings | None = None

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`."""
        now = self._clock()
        if not self._read.due(now):
            return []
        passed_s, self._read_s = min(0.1, now - self._read_s), now
        if self._pads is None:
            if self._importing.is_alive():
                return []
            self._pads = self._opening()
        self._pads.update()
        if self._look.due(now):
            self._see(self._pads.found())
        actions: list[Action] = []
        for number, pad in self._found.items():
            if pad.attached():
                for one in self._map:
                    actions += self._asked(number, pad, one, passed_s)
        return actions

    def _see(self, found: dict[int, Pad]) -> None:
        for number in found.keys() - self._found.keys():
            log.info("gamepad: %s plays", found[number].name)
        for number in self._found.keys() - found.keys():
            log.warning("gamepad: %s was unplugged", self._found[number].name)
            self._pressed = {held for held in self._pressed if held[0] != number}
            self._ways = {held: way for held, way in self._ways.items() if held[0] != number}
        self._found = found

    def _asked(self, number: int, pad: Pad, one: PadBinding, passed_s: float) -> list[Action]:
        key = (number, one)
        if not one.axis:
            pressed = bool(pad.get_button(one.number))
            before = key in self._pressed
            (self._pressed.add if pressed else self._pressed.discard)(key)
            return pressed_actions(one, pressed) if pressed != before else []
        way = alive(pad.get_axis(one.number) / _MOST) * (-1 if one.inverted else 1)
        if one.mode == "rate":
            return self._moved(one.setting, way * abs(way), passed_s) if way else []
        if way == self._ways.get(key, 0.0):
            return []
        self._ways[key] = way
        return [SetUnit(one.setting, 0.5 + way / 2 if one.mode == "spring" else abs(way))]

    def _moved(self, name: str, speed: float, passed_s: float) -> list[Action]:
        """A stick moves a setting: between two steps of a whole number it goes on from where it was."""
        view = self._desk.view
        value = getattr(self._settings or view.settings, name)
        now = SPECS[name].to_unit(value, view.lists.get(name, ()))
        from_unit = self._units.get(name, now)
        if SPECS[name].from_unit(from_unit) != value:
            from_unit = now  # somebody else has moved it
        unit = min(1.0, max(0.0, from_unit + speed * _RATE * passed_s))
        self._units[name] = unit
        return [SetUnit(name, unit)] if SPECS[name].from_unit(unit) != value else []

    def announce(self, news: Change | Refusal) -> None:
        """See :class:`livedream.controls.port.Control`."""
        if isinstance(news, Change):
            self._settings = news.settings

    def close(self) -> None:
        """See :class:`livedream.controls.port.Control`."""
        for pad in self._found.values():
            pad.quit()
        self._found = {}


def alive(way: float) -> float:
    """A stick's way, -1 to 1, with a middle in which nothing happens."""
    beyond = min(1.0, max(0.0, (abs(way) - _DEAD) / (1 - _DEAD)))
    return beyond if way > 0 else -beyond


def pressed_actions(one: PadBinding, pressed: bool) -> list[Action]:
    """What a button asks for when it is pressed, or let go."""
    if one.setting and one.mode == "hold":
        return [Set(one.setting, pressed)]
    if not pressed:
        return []
    if one.command is not None:
        return [one.command]
    if one.scene:
        return [Recall(one.scene)]
    match one.mode:
        case "toggle":
            return [Toggle(one.setting)]
        case "next" | "previous":
            return [Cycle(one.setting, 1 if one.mode == "next" else -1)]
    return [Nudge(one.setting, 1 if one.mode == "up" else -1)]
