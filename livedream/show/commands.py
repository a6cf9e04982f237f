"""Does the commands of controls: what is neither a setting nor a scene."""

from __future__ import annotations

from livedream.controls.actions import Command
from livedream.errors import UsageError
from livedream.performance.cue_player import NO_CUES, Cues
from livedream.performance.store import Performance
from livedream.show.bulletin import Bulletin
from livedream.show.picture import Picture
from livedream.show.ports import Front
from livedream.show.schedule import Stop

_OF_THE_WINDOW = (Command.HELP, Command.HUD, Command.FULL_SCREEN)


class Commands:
    """Does each :class:`~livedream.controls.actions.Command` on the parts of the show that it concerns."""

    def __init__(
        self, front: Front, bulletin: Bulletin, stop: Stop, picture: Picture, performance: Performance
    ) -> None:
        self._front, self._bulletin, self._stop = front, bulletin, stop
        self._picture, self._performance = picture, performance

    def do(self, command: Command, now: float) -> bool:
        """Do it; whether the screen has to be given the picture again.

        Raises ``UsageError`` for what cannot be done now, and ``OutputError`` where a file cannot be written.
        """
        front, bulletin = self._front, self._bulletin
        if command in _OF_THE_WINDOW and front.hud_size is None:
            raise UsageError(f"no {command.value}: there is no window")
        match command:
            case Command.QUIT:
                self._stop()
            case Command.HELP:
                bulletin.hud.toggle_help(now)
            case Command.HUD:
                bulletin.hud.toggle_pin(now)
            case Command.FULL_SCREEN:
                front.toggle_full_screen()
            case Command.TAP:
                self._performance.tap(now)
                bulletin.say(self._tempo(), now)
            case Command.RESYNC:
                self._performance.tempo.resync(now)
                bulletin.say(f"{self._tempo()}, first beat", now)
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

    def _cues(self) -> Cues:
        if self._performance.cues is None:
            raise UsageError(NO_CUES)
        return self._performance.cues

    def _tempo(self) -> str:
        bpm = self._performance.tempo.bpm
        return f"tempo {bpm:.1f}" if bpm else "tempo: tap again"
