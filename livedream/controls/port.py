"""The port that every control plugs into: it makes actions, and is told what came of them.

A control that listens on a socket or a device does so on a thread of its own and puts its actions into an
:class:`Inbox`; the show's loop takes them from there. Whatever is accepted, from whichever control, comes
back to all of them as a :class:`Change` that names its origin: so a control can pass it on to others (a
fader with a motor, a phone) and not to the one who sent it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from livedream.controls.actions import Action, Set, SetUnit
from livedream.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """What a control is told when settings have changed.

    ``origin`` is the name of the control that asked for it, or ``scene``, ``attract``, ``dream`` (what was
    wanted could not be had); ``names`` are the settings that changed, ``settings`` all of them now.
    """

    origin: str
    names: tuple[str, ...]
    settings: Settings
    scene: str = ""


@dataclass(frozen=True)
class Refusal:
    """What a control is told when the action that it asked for could not be done, and why."""

    origin: str
    action: Action
    reason: str


class Control(Protocol):
    """A source of actions: a keyboard, a socket, a device."""

    @property
    def name(self) -> str:
        """What it is called in messages and as an origin."""

    def poll(self) -> list[Action]:
        """The actions since the last call, in order. Never waits."""

    def announce(self, news: Change | Refusal) -> None:
        """Told of every accepted change, and of its own refused actions. Never waits."""

    def close(self) -> None:
        """Give back what it holds. May be called twice."""


class Inbox:
    """Actions from any thread to the show's loop, in order, bounded.

    Of several values for one setting in a row only the newest is kept: a fader sends hundreds a second. When
    the show falls behind all the same, the oldest actions are dropped and counted in ``dropped``.
    """

    def __init__(self, capacity: int = 256) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._lock = threading.Lock()
        self._waiting: deque[Action] = deque()

    def put(self, action: Action) -> None:
        """Add an action. Never waits."""
        with self._lock:
            if self._waiting and _replaces(action, self._waiting[-1]):
                self._waiting.pop()
            elif len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(action)

    def take(self) -> list[Action]:
        """All waiting actions, which are then gone from here."""
        with self._lock:
            actions = list(self._waiting)
            self._waiting.clear()
        return actions


def _replaces(action: Action, before: Action) -> bool:
    """Whether ``action`` makes the one just before it pointless."""
    values = (Set, SetUnit)
    return isinstance(action, values) and isinstance(before, values) and action.name == before.name


class Controls:
    """All controls of a show. One that fails is retired, and says so; the others go on."""

    def __init__(self, *controls: Control) -> None:
        self._controls = list(controls)
        self._faults: list[str] = []

    def add(self, control: Control) -> None:
        """One more."""
        self._controls.append(control)

    def poll(self) -> list[tuple[str, Action]]:
        """(name of the control, action) of all that was asked for since the last call."""
        asked: list[tuple[str, Action]] = []
        for control in list(self._controls):
            nothing: list[Action] = []
            asked += [(control.name, action) for action in self._guarded(control, control.poll, nothing)]
        return asked

    def announce(self, news: Change | Refusal) -> None:
        """Tell every control of a change, and the one that asked for it of a refusal."""
        for control in list(self._controls):
            if isinstance(news, Change) or news.origin == control.name:
                self._guarded(control, partial(control.announce, news), None)

    def report(self, text: str) -> None:
        """Have the operator told of what was logged while the controls were opened."""
        self._faults.append(text)

    def faults(self) -> list[str]:
        """What has failed since the last call."""
        faults, self._faults = self._faults, []
        return faults

    def close(self) -> None:
        """Close all controls. May be called twice."""
        for control in list(self._controls):
            self._guarded(control, control.close, None)
        self._controls.clear()

    def _guarded(self, control: Control, call: Callable[[], T], otherwise: T) -> T:
        try:
            return call()
        except Exception as error:  # a broken control must not end the show
            log.exception("control %s failed", control.name)
            self._controls.remove(control)
            # Its port and threads must not stay, and to end them may take a second.
            threading.Thread(
                target=_close, args=(control,), name=f"end of {control.name}", daemon=True
            ).start()
            self._faults.append(f"{control.name} disabled: {type(error).__name__}: {error}")
            return otherwise


def _close(control: Control) -> None:
    with suppress(Exception):  # it is broken
        control.close()
