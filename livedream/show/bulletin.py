"""What the show says to its operator: on the head-up display and in the log, each thing once."""

from __future__ import annotations

import logging

from livedream.stage.hud import Hud

log = logging.getLogger(__name__)


class Bulletin:
    """Says news, and follows what other processes report. Times are ``now``, in seconds of one clock."""

    def __init__(self, hud: Hud) -> None:
        self.hud = hud
        self._reported: dict[str, str] = {}

    def say(self, text: str, now: float, *, alarm: bool = False, logged: bool = False) -> None:
        """Show ``text``, and log it unless it was ``logged`` where it happened."""
        if not logged:
            log.log(logging.ERROR if alarm else logging.INFO, "%s", text)
        self.hud.say(text, now, alarm=alarm)

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
