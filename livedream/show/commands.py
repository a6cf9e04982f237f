"""Does the commands of controls: what is neither a setting nor a scene."""

from __future__ import annotations

from livedream.controls.actions import Command
from livedream.controls.keyboard import Keyboard
from livedream.errors import UsageError
from livedream.performance.cue_player import NO_CUES, Cues
from livedream.performance.store import Performance
from livedream.show.bulletin import Bulletin
from livedream.show.picture import Picture
from livedream.show.ports import Front
from livedream.show.schedule import Stop
from livedream.stage.reading import Reading

#: The second Esc has to come within this time.
_ASKED_S = 2.0
_ON_THE_SCREEN = (Command.HELP, Command.HUD, Command.ADDRESS)


class Commands:
    """Does each :class:`~livedream.controls.actions.Command` on the parts of the show that it concerns."""

    def __init__(
        self,
        front: Front,
        bulletin: Bulletin,
        stop: Stop,
        picture: Picture,
        performance: Performance,
        keyboard: Keyboard,
    ) -> None:
        self._front, self._bulletin, self._stop = front, bulletin, stop
        self._picture, self._performance, self._keyboard = picture, performance, keyboard
        self._asked_s = -_ASKED_S  # when a key last asked to quit

    def do(self, command: Command, now: float, origin: str = "") -> bool:
        """Do it for the control ``origin``; whether the screen has to be given the picture again.

        Raises ``UsageError`` for what cannot be done now, and ``OutputError`` where a file cannot be written.
        """
        front, bulletin = self._front, self._bulletin
        if command in _ON_THE_SCREEN and front.hud_size is None:
            raise UsageError(f"no {command.value}: no screen of this mirror shows it")
        match command:
            case Command.QUIT:
                self._quit(now, origin)
            case Command.LOCK_KEYS:
                locked = self._keyboard.locked = not self._keyboard.locked
                note = "hold Esc for 3 s to unlock them" if locked else ""
                bulletin.read(Reading("keys", "locked" if locked else "unlocked", note=note), now)
            case Command.HELP:
                bulletin.hud.toggle_help(now)
            case Command.HUD:
                bulletin.hud.toggle_pin(now)
            case Command.FULL_SCREEN:
                front.toggle_full_screen()
            case Command.ADDRESS:
                if not front.page:
                    raise UsageError("no page is served; possible: --page, or --listen ADDRESS for others")
                bulletin.hud.toggle_address(front.page, now)
            case Command.TAP:
                self._performance.tap(now)
                bulletin.read(self._tempo(""), now)
            case Command.RESYNC:
                self._performance.tempo.resync(now)
                bulletin.read(self._tempo("first beat"), now)
            case Command.GO:
                self._cues().player.go()
            case Command.CUE_BACK:
                self._cues().player.back()
            case Command.RECORD:
                bulletin.say(front.toggle_recording(), now)
                return True
            case Command.SNAPSHOT:
                scene = self._picture.scene
                if scene is None:
                    raise UsageError("no snapshot: there is no picture yet")
                path = front.snapshot(scene.picture(), self._performance.settings)
                bulletin.say(f"snapshot: {path}", now)
        return False

    def _quit(self, now: float, origin: str) -> None:
        """Quit; a key has to ask twice, for it may have been brushed in the dark."""
        if origin == self._keyboard.name and now - self._asked_s > _ASKED_S:
            self._asked_s = now
            self._bulletin.read(Reading("quit?", "Esc again"), now)
        else:
            self._stop()

    def _cues(self) -> Cues:
        if self._performance.cues is None:
            raise UsageError(NO_CUES)
        return self._performance.cues

    def _tempo(self, note: str) -> Reading:
        bpm = self._performance.tempo.bpm
        return Reading("tempo", f"{bpm:.1f}" if bpm else "tap again", note=note if bpm else "")
