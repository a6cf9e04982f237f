"""What the show says to its operator: on the head-up display and in the log, each thing once."""

from __future__ import annotations

import logging

from livedream.stage.hud import Hud
from livedream.stage.reading import Reading

log = logging.getLogger(__name__)

#: A fader that asks for the impossible does so hundreds of times a second.
_REFUSED_S = 1.0


class Bulletin:
    """Says news, and follows what other processes report. Times are ``now``, in seconds of one clock."""

    def __init__(self, hud: Hud) -> None:
        self.hud = hud
        self._reported: dict[str, str] = {}
        self._refused: dict[str, tuple[str, int]] = {}  # by the control that asked: the newest, how many
        self._refused_s: dict[str, float] = {}

    def say(self, text: str, now: float, *, alarm: bool = False, logged: bool = False) -> None:
        """Show ``text``, and log it unless it was ``logged`` where it happened."""
        if not logged:
            log.log(logging.ERROR if alarm else logging.INFO, "%s", text)
        self.hud.say(text, now, alarm=alarm)

    def read(self, reading: Reading | None, now: float) -> None:
        """Show what a control has just set, if it has."""
        if reading is not None:
            self.hud.read(reading, now)

    def refuse(self, origin: str, reason: str) -> None:
        """Something that the control ``origin`` asked for is not possible; :meth:`say_refusals` says so."""
        self._refused[origin] = (reason, self._refused.get(origin, ("", 0))[1] + 1)

    def say_refusals(self, now: float) -> None:
        """Say what was refused: of each control at most once a second, the newest; the others are counted."""
        for origin, (reason, count) in list(self._refused.items()):
            if now - self._refused_s.get(origin, -_REFUSED_S) >= _REFUSED_S:
                more = f" (and {count - 1} more)" if count > 1 else ""
                self.say(reason + more, now, alarm=True)
                self._refused_s[origin] = now
                del self._refused[origin]

    def follow(self, reporter: str, message: str, error: str, now: float) -> None:
        """Show what another process reports now, and take it away when it no longer does."""
        text, before = error or message, self._reported.get(reporter, "")
        if text and text != before:
            log.info("%s: %s", reporter, text)
            self.hud.say(text, now, alarm=bool(error))
        elif not text:
            self.hud.unsay(before, now)
        self._reported[reporter] = text

    def current(self, now: float) -> tuple[str, ...]:
        """The reports and the alarm that hold now."""
        return (*self._reported.values(), self.hud.alarm(now))
