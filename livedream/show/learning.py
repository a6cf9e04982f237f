"""Which setting a MIDI controller is to learn: the one that was changed last, or the one that is named."""

from __future__ import annotations

from livedream.controls.actions import Action, Cycle, Learn, Nudge, Set, SetUnit, Toggle
from livedream.controls.desk import Desk
from livedream.controls.targets import possible_settings
from livedream.errors import UsageError, quoted
from livedream.stage.reading import Reading


class Learning:
    """Sets what is to be learnt on the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._last = ""

    def touched(self, action: Action) -> None:
        """An action was done: its setting is the one that was changed last."""
        if isinstance(action, Set | SetUnit | Nudge | Toggle | Cycle) and action.name in possible_settings():
            self._last = action.name

    def do(self, action: Learn) -> Reading:
        """Begin or end to learn; what to show. Raises ``UsageError`` when nothing can be learnt."""
        if action.source:
            return Reading("MIDI", action.setting.replace("_", " "), note=f"is on {action.source}")
        if not self._desk.can_learn:
            raise UsageError("nothing can learn: no MIDI controller is heard; possible: --midi")
        if self._desk.learning and not action.setting:
            self._desk.learning = ""
            return Reading("MIDI", "nothing learnt")
        setting = action.setting or self._last
        if not setting:
            raise UsageError("nothing to learn: change a setting first, by a key or the page")
        if setting not in possible_settings():
            raise UsageError(
                f"no knob can play {quoted(setting)}; possible: {', '.join(possible_settings())}"
            )
        self._desk.learning = setting
        return Reading("MIDI learn", setting.replace("_", " "), note="move a knob or press a button")
