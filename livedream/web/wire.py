"""What goes over the page's socket: the settings' metadata out, and actions in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from livedream.controls.actions import (
    Action,
    Command,
    Cycle,
    Delete,
    GoTo,
    Learn,
    Nudge,
    Recall,
    RemoveModulation,
    Rename,
    Set,
    SetLfo,
    SetModulation,
    SetSource,
    SetUnit,
    Store,
    Toggle,
)
from livedream.controls.desk import View
from livedream.controls.patch import LFOS, MODULABLE, MOST_MODULATIONS, SENSES, SHAPES, Lfo
from livedream.errors import UsageError, quoted
from livedream.settings import SPECS, spec_of
from livedream.specs import Spec

#: Longer texts are no setting.
_LONGEST = 2000
_MOST_STEPS, _MOST_CUES, _MOST_FIELDS = 100, 1000, 16


def schema() -> list[dict[str, Any]]:
    """What the page must know of each setting of the mirror to make a control for it."""
    return [_described(spec) for spec in SPECS.values() if "mirror" in spec.used_by]


def _described(spec: Spec) -> dict[str, Any]:
    kind = "choice" if spec.choices else spec.kind.__name__
    told: dict[str, Any] = {
        "name": spec.name,
        "kind": kind,
        "group": spec.group,
        "scope": spec.scope,
        "help": spec.help,
    }
    told |= {"default": spec.default, "possible": spec.possible, "unit": spec.unit}
    if spec.minimum is not None:
        told |= {"minimum": spec.minimum, "maximum": spec.maximum, "step": spec.step}
        told |= {"whole": spec.kind is int, "curve": spec.curve, "zero": spec.zero}
    if spec.choices:
        told["choices"] = list(spec.choices)
    return told


def patch_state(view: View) -> dict[str, Any]:
    """What the page must know of modulation and tempo: what there is, and what it can be made of."""
    patch = view.patch
    return {
        "modulations": [asdict(modulation) for modulation in patch.modulations],
        "lfos": {name: asdict(lfo) for name, lfo in patch.lfos.items()},
        "tempo": round(view.tempo, 1),
        "lfo": asdict(Lfo()),
        "sources": [*LFOS, *SENSES],
        "settings": list(MODULABLE),
        "shapes": list(SHAPES),
    }


def action_of(message: Any, view: View, guides: Path, sources: Collection[str] = ()) -> Action:
    """The action that a page asks for by ``message``, as it came out of JSON.

    Of paths the page may only name those that it was told: guides in the list or in the folder ``guides``,
    and ``sources``. Raises ``UsageError``.
    """
    if not isinstance(message, dict):
        raise UsageError("a message is no object; expected one such as {'do': 'set', 'name': …, 'value': …}")
    asked = _Asked(message)
    kind = asked.text("do")
    if kind not in _KINDS:
        raise UsageError(f"unknown action {quoted(kind)}; possible: {', '.join(_KINDS)}")
    action = _KINDS[kind](asked)
    if isinstance(action, Set) and action.name == "guide":
        _require_known(action.value, view, guides)
    if isinstance(action, SetSource) and action.source not in sources:
        raise UsageError(f"source {quoted(action.source)} was not offered; possible: {', '.join(sources)}")
    return action


def _require_known(guide: Any, view: View, guides: Path) -> None:
    listed = ("", view.settings.guide, *view.lists.get("guide", ()))
    if guide in listed or (isinstance(guide, str) and Path(guide).parent == guides):
        return
    raise UsageError(f"guide {quoted(guide)} is not among those there are; possible: give the page an image")


class _Asked:
    """A message, of which each value is checked when it is taken."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        self._message = message

    def text(self, name: str) -> str:
        value = self._message.get(name)
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise self._wrong(name, f"a text of up to {_LONGEST} characters")
        return value

    def setting(self) -> str:
        return spec_of(self.text("name")).name

    def whole(self, name: str, least: int, most: int, otherwise: int | None = None) -> int:
        value = self._message.get(name, otherwise)
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(name, f"{least}–{most}")
        return value

    def number(self, name: str) -> float:
        value = self._message.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "a number")
        return float(value)

    def seconds(self, name: str) -> float | None:
        if self._message.get(name) is None:
            return None
        value = self.number(name)
        if not 0 <= value <= 600:
            raise self._wrong(name, "0–600 s")
        return value

    def values(self) -> Mapping[str, Any]:
        values = self._message.get("values")
        if not isinstance(values, dict) or len(values) > _MOST_FIELDS:
            raise self._wrong("values", "an object")
        return values

    def value(self) -> Any:
        value = self._message.get("value")
        return self.text("value") if isinstance(value, str) else value

    def _wrong(self, name: str, expected: str) -> UsageError:
        return UsageError(f"{name}: invalid value {quoted(self._message.get(name))}: expected {expected}")


def _command(asked: _Asked) -> Command:
    name = asked.text("command")
    try:
        return Command(name)
    except ValueError as error:
        possible: Sequence[str] = [command.value for command in Command]
        raise UsageError(f"unknown command {quoted(name)}; possible: {', '.join(possible)}") from error


_KINDS: dict[str, Callable[[_Asked], Action]] = {
    "set": lambda asked: Set(asked.setting(), asked.value()),
    "unit": lambda asked: SetUnit(asked.setting(), asked.number("unit")),
    "nudge": lambda asked: Nudge(asked.setting(), asked.whole("count", -_MOST_STEPS, _MOST_STEPS)),
    "toggle": lambda asked: Toggle(asked.setting()),
    "cycle": lambda asked: Cycle(asked.setting(), asked.whole("count", -_MOST_STEPS, _MOST_STEPS)),
    "recall": lambda asked: Recall(asked.text("scene"), asked.seconds("fade_s")),
    "store": lambda asked: Store(asked.text("scene"), asked.whole("key", 0, 9, 0)),
    "rename": lambda asked: Rename(asked.text("scene"), asked.text("new")),
    "delete": lambda asked: Delete(asked.text("scene")),
    "command": _command,
    "cue": lambda asked: GoTo(asked.whole("cue", 1, _MOST_CUES)),
    "modulation": lambda asked: SetModulation(asked.whole("number", 1, MOST_MODULATIONS), asked.values()),
    "unmodulate": lambda asked: RemoveModulation(asked.whole("number", 1, MOST_MODULATIONS)),
    "learn": lambda asked: Learn(asked.setting()),
    "source": lambda asked: SetSource(asked.text("source")),
    "lfo": lambda asked: SetLfo(asked.text("name"), asked.values()),
}
