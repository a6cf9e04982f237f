"""The orders to the dream process: numbered, and taken back when they keep killing it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Any

from livedream.ipc.protocol import DreamStatus, Order
from livedream.performance.played import Played
from livedream.settings import WORD_SETTINGS, Settings

#: An order has proved itself when it has been dreamt for this long.
_PROVED_S = 5.0
#: Deaths without a proved order between them, after which the last proved one is restored.
_MOST_DEATHS = 2
#: Orders whose settings are remembered: a fade makes sixty a second.
_REMEMBERED = 1024
#: Where only modulation has changed anything, orders are at least so far apart, about thirty a second: the
#: dream process reads each one.
_MODULATED_S = 0.03


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
        self._restored: Settings | None = None

    def make(
        self,
        played: Played,
        aspect: float | None,
        camera_hz: float = 0.0,
        late: float = 0.0,
        now: float = math.inf,
    ) -> Order | None:
        """The next order, or None when nothing has changed; modulation alone changes it 30 times a second."""
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
            settings=played.settings,
            aspect=aspect,
            transition_s=played.transition_s,
            persistence_limit_s=played.persistence_limit_s,
            camera_hz=camera_hz,
            late=late,
        )
        self._sent.append((self.newest.number, played.lasting))
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
        wanted = self._played.lasting if self._played else None
        if self._deaths >= _MOST_DEATHS and self._good not in (None, wanted):
            self._deaths = 0
            self._restored = self._good

    def restored(self) -> Settings | None:
        """The settings to go back to, once, after others have killed the dream."""
        restored, self._restored = self._restored, None
        return restored
