"""The orders to the dream process: numbered, and set aside when they keep killing it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Any

from livedream.controls.port import Change
from livedream.ipc.protocol import DreamStatus, Order
from livedream.performance.played import Played
from livedream.settings import SPECS, WORD_SETTINGS, Settings

#: An order has proved itself when it has been dreamt for this long.
_PROVED_S = 5.0
#: Deaths without a proved order between them, after which the last proved one is restored.
_MOST_DEATHS = 2
#: Orders whose settings are remembered: a fade makes sixty a second.
_REMEMBERED = 1024
#: Where only modulation has changed anything, orders are at least so far apart, about thirty a second: the
#: dream process reads each one.
_MODULATED_S = 0.03
#: What killed the dream is remembered so often, and named up to so many settings.
_MOST_ASIDE, _MOST_NAMED = 16, 4
#: Who changes settings without anybody having chosen them.
_NOBODY = ("attract", "dream")

#: Names of settings and their values.
Values = dict[str, Any]


def instead_of(wanted: Settings, dream: DreamStatus) -> dict[str, Any]:
    """What to want instead of what the dream process says it cannot dream: nothing, or what it does dream."""
    missing, instead = dream.unavailable, dict[str, Any]()
    layer = missing.layer or wanted.layer
    if (missing.network, layer) == (wanted.network, wanted.layer) != (dream.network, dream.layer):
        names = ("network", "layer", "channels", *WORD_SETTINGS)
        instead |= {name: getattr(dream, name) for name in names}
        if any(instead[name] for name in WORD_SETTINGS):
            instead["guide"] = ""
    if missing.guide and missing.guide == wanted.guide != dream.guide:
        instead["guide"] = dream.guide
    return instead


class Orders:
    """Makes orders, and remembers the last one that worked. Times are ``now``, in seconds of one clock."""

    def __init__(self) -> None:
        self.newest: Order | None = None
        self._played: Played | None = None
        self._sent_s = 0.0
        self._sent: deque[tuple[int, Settings]] = deque(maxlen=_REMEMBERED)  # without modulation
        self._trial: tuple[Settings, float] | None = None  # what is being dreamt, and since when
        self._good: Settings | None = None
        self._deaths = 0
        self._restored: tuple[Settings, str] | None = None
        #: Each: what killed the dream, and what to dream instead.
        self._aside: deque[tuple[Values, Values]] = deque(maxlen=_MOST_ASIDE)

    def make(
        self,
        played: Played,
        aspect: float | None,
        camera_hz: float = 0.0,
        late: float = 0.0,
        now: float = math.inf,
    ) -> Order | None:
        """The next order, or None when nothing has changed; modulation alone changes it 30 times a second.

        Settings that have killed the dream are not among it, until somebody chooses them again.
        """
        newest, before = self.newest, self._played
        if newest and before and (aspect, camera_hz, late) == (newest.aspect, newest.camera_hz, newest.late):
            if played == before:
                return None
            same = played.centre is not None and replace(played, settings=before.settings) == before
            if same and now - self._sent_s < _MODULATED_S:
                return None
        self._played, self._sent_s = played, now
        self.newest = Order(
            number=1 if newest is None else newest.number + 1,
            settings=self._harmless(played.settings),
            aspect=aspect,
            transition_s=played.transition_s,
            persistence_limit_s=played.persistence_limit_s,
            camera_hz=camera_hz,
            late=late,
            leg_s=played.leg_s,
        )
        self._sent.append((self.newest.number, self._harmless(played.lasting)))
        return self.newest

    def watch(self, dream: DreamStatus, now: float) -> None:
        """Learn from the dream's status which order works; call it a few times a second."""
        if dream.phase != "dreaming" or not dream.ticks:
            return
        if self._trial is not None:
            if now - self._trial[1] < _PROVED_S:
                return
            self._good, self._deaths = self._trial[0], 0
        settings = next((settings for number, settings in self._sent if number == dream.order), None)
        self._trial = None if settings is None else (settings, now)

    def died(self) -> None:
        """The dream process has died or hung.

        When it does so twice and no order has proved itself in between, :meth:`restored` tells.
        """
        self._trial = None
        self._deaths += 1
        wanted = self._harmless(self._played.lasting) if self._played else None
        good = self._good
        if self._deaths < _MOST_DEATHS or wanted is None or good is None or good == wanted:
            return
        self._deaths = 0
        names = [name for name in SPECS if getattr(wanted, name) != getattr(good, name)]
        # Numbers that fade are never quite the same again, and hardly to blame.
        names = [name for name in names if SPECS[name].kind is not float] or names
        guilty = {name: getattr(wanted, name) for name in names}
        self._aside.append((guilty, {name: getattr(good, name) for name in names}))
        self._restored = good, f"the dream crashed twice with {_named(guilty)}; back to what worked before"

    def restored(self) -> tuple[Settings, str] | None:
        """The settings to go back to, once, after others have killed the dream; and what to say."""
        restored, self._restored = self._restored, None
        return restored

    def chosen(self, change: Change) -> None:
        """Settings have changed: what somebody chooses is tried again, though it killed the dream before."""
        if change.origin not in _NOBODY:
            kept = [
                (guilty, instead) for guilty, instead in self._aside if guilty.keys().isdisjoint(change.names)
            ]
            self._aside = deque(kept, maxlen=_MOST_ASIDE)

    def _harmless(self, settings: Settings) -> Settings:
        for guilty, instead in self._aside:
            if all(getattr(settings, name) == value for name, value in guilty.items()):
                settings = settings.replace(**instead)
        return settings


def _named(values: Values) -> str:
    """Settings as one would give them: ``layer objects, guide cat.png and 3 more``."""
    words = [f"{name} {value}" for name, value in values.items()]
    more = len(words) - _MOST_NAMED
    return ", ".join(words[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
