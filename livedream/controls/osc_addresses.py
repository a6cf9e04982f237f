"""The OSC addresses: what each asks for, and the list of them, both made from the settings and commands.

    /dream/<setting>              a number 0..1 of its range; of a setting with a list also a word or an index
    /dream/<setting>/value        the value itself: a number, a word, a text
    /dream/<setting>/next, prev   through the values of a setting with a list
    /dream/scene                  the name of a scene [and the seconds of the fade]
    /dream/scene/<name>           [the seconds of the fade]
    /dream/cue                    the number of a cue in the cue list, from 1
    /dream/mod/…, /dream/lfo/…    the modulation: see livedream.controls.osc_patch
    /dream/<command>              nothing, or anything but 0: 0 is a button that was let go

In place of a value, ``?`` asks for it, and ``+`` and ``-`` [and how many] nudge it. Without a value a switch
is turned over. ``/dream ?`` asks for everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from livedream.controls.actions import COMMANDS, Action, Cycle, GoTo, Nudge, Recall, Set, SetUnit, Toggle
from livedream.controls.desk import View
from livedream.controls.osc_patch import LFO, MOD, patch_lines, understand_patch
from livedream.errors import UsageError, quoted
from livedream.settings import SPECS, Settings
from livedream.specs import Spec

ROOT = "/dream"
SCENE = "scene"
CUE = "cue"
_WAYS = {"next": 1, "prev": -1}
_LONGEST_TEXT = 2000
#: Faders overshoot a little.
_SLACK = 1e-3


@dataclass(frozen=True)
class Ask:
    """Somebody asks for the values of these settings; ``scene`` is that of the scene."""

    names: tuple[str, ...]


def understand(address: str, arguments: Sequence[Any], view: View) -> Action | Ask | None:
    """What a message asks for; None for a button that was let go.

    Raises ``UsageError`` for an unknown address and impossible arguments.
    """
    root, *parts = address.removeprefix("/").split("/")
    first = parts[0] if parts else ""
    if f"/{root}" == ROOT:
        if not parts and tuple(arguments) == ("?",):
            return Ask((*SPECS, SCENE))
        if first == SCENE:
            return _scene("/".join(parts[1:]), arguments, view)
        if first in SPECS and len(parts) <= 2:
            return _setting(SPECS[first], parts[1] if len(parts) == 2 else "", address, arguments, view)
        if parts == [CUE]:
            return GoTo(_cue(address, arguments))
        if first in (MOD, LFO):
            return understand_patch(tuple(parts), arguments, view.patch)
        if first in COMMANDS and len(parts) == 1:
            return COMMANDS[first] if _pressed(address, arguments) else None
    raise UsageError(f"unknown OSC address {quoted(address)}; possible: see livedream osc")


def _setting(
    spec: Spec, part: str, address: str, arguments: Sequence[Any], view: View
) -> Action | Ask | None:
    name, values = spec.name, view.lists.get(spec.name, spec.choices)
    if part in _WAYS and (values or spec.kind is str):
        return Cycle(name, _WAYS[part]) if _pressed(address, arguments) else None
    if part not in ("", "value"):
        raise UsageError(f"unknown OSC address {quoted(address)}; possible: see livedream osc")
    match tuple(arguments):
        case ("?",):
            return Ask((name,))
        case ("+" | "-" as sign, *rest) if len(rest) < 2:
            return _nudge(spec, 1 if sign == "+" else -1, rest[0] if rest else 1, values)
        case () if spec.kind is bool:
            return Toggle(name)
        case (bool() | int() | float() | str() as value,):
            return Set(name, _value(spec, value, values)) if part else _unit(spec, value, values)
    raise _refused(address, arguments, f"one value: 0–1, or {spec.possible}")


def _unit(spec: Spec, value: bool | int | float | str, values: Sequence[Any]) -> Action:
    """What comes to a setting's own address: a fader's position; with a list also a word or an index."""
    if isinstance(value, bool):
        return Set(spec.name, _value(spec, value, values))
    number = _number(value) if isinstance(value, str) else value
    # Some programs send nothing but floats: above 1 a whole one is an index, too.
    is_index = isinstance(value, int | str) or (value > 1 and value.is_integer())
    if number is None or (spec.kind is str and (is_index or not values)):
        return Set(spec.name, _value(spec, value, values))
    if not -_SLACK <= number <= 1 + _SLACK:  # NaN, too
        raise _refused(f"{ROOT}/{spec.name}", (value,), f"0–1; {spec.possible} at {ROOT}/{spec.name}/value")
    return SetUnit(spec.name, min(1.0, max(0.0, float(number))))


def _value(spec: Spec, value: bool | int | float | str, values: Sequence[Any]) -> Any:
    """``value`` in the setting's own type. Raises ``UsageError``."""
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise UsageError(f"setting {spec.name}: a text of {len(value)} characters; expected fewer")
        number = _number(value) if spec.kind in (int, float) else None
        if number is None:
            return spec.parse(value)
        value = number
    if not math.isfinite(value):
        return spec.check(value)  # raises
    if spec.kind is bool:
        return spec.check(bool(value) if value in (0, 1) else value)
    if isinstance(value, bool):
        raise UsageError(f"setting {spec.name}: invalid value {value}: expected {spec.possible}")
    if spec.kind is int:
        return spec.check(round(value))
    if spec.kind is str:
        index = int(value)
        if index != value or not 0 <= index < len(values):
            raise UsageError(
                f"setting {spec.name}: invalid value {value:g}: expected "
                + (f"0–{len(values) - 1}, or {spec.possible}" if values else spec.possible)
            )
        return values[index]
    return spec.check(value)


def _nudge(spec: Spec, sign: int, count: Any, values: Sequence[Any]) -> Action:
    if isinstance(count, bool) or not isinstance(count, int | float) or not 0 < abs(count) <= 1000:
        raise _refused(f"{ROOT}/{spec.name}", ("+", count), "+ or -, and how many steps")
    steps = sign * max(1, round(abs(count))) * (1 if count > 0 else -1)
    if spec.kind is bool:
        return Set(spec.name, steps > 0)
    if values:
        return Cycle(spec.name, steps)
    if spec.minimum is None:
        raise UsageError(f"setting {spec.name} has no steps; possible: {spec.possible}")
    return Nudge(spec.name, steps)


def _scene(name: str, arguments: Sequence[Any], view: View) -> Action | Ask | None:
    rest = list(arguments)
    if not name:
        if rest == ["?"]:
            return Ask((SCENE,))
        if not rest or not isinstance(rest[0], str):
            raise _refused(f"{ROOT}/{SCENE}", arguments, "a scene's name [and seconds]")
        name = rest.pop(0)
    # No address can have a space in it.
    names = {scene.name: scene.name for scene in view.scenes}
    names = {known.replace(" ", "_"): known for known in names} | names
    if names and name not in names:
        raise UsageError(f"unknown scene {quoted(name)}; possible: {', '.join(names.values())}")
    name = names.get(name, name)
    match rest:
        case [] | [True]:
            return Recall(name)
        case [False]:
            return None
        case [int() | float() | str() as seconds]:
            fade_s = _number(seconds) if isinstance(seconds, str) else seconds
            if fade_s is not None and 0 <= fade_s <= 3600:
                return Recall(name, float(fade_s))
    raise _refused(f"{ROOT}/{SCENE}/{name}", rest, "nothing, or the seconds of the fade, 0–3600")


def _cue(address: str, arguments: Sequence[Any]) -> int:
    match tuple(arguments):
        case (int() | float() as number,) if not isinstance(number, bool) and 1 <= number <= 9999:
            return round(number)
    raise _refused(address, arguments, "the number of a cue, from 1")


def _pressed(address: str, arguments: Sequence[Any]) -> bool:
    """Whether a button was pressed, and not let go."""
    match tuple(arguments):
        case () | (None,):
            return True
        case (bool() | int() | float() as value,) if math.isfinite(value):
            return value != 0
    raise _refused(address, arguments, "nothing, or a number: 0 is a button let go")


def _number(text: str) -> float | None:
    """The number that a text is, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def _refused(address: str, arguments: Sequence[Any], expected: str) -> UsageError:
    return UsageError(f"OSC {address}: invalid value {quoted(tuple(arguments))}: expected {expected}")


@dataclass(frozen=True)
class Address:
    """One line of the list. ``types`` are OSC's type tags of the argument, empty for none.

    ``low`` and ``high`` bound a number, ``choices`` are the texts that there are, ``possible`` says both in
    words. ``setting`` is the setting that it sets, if any.
    """

    path: str
    types: str
    help: str
    possible: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    setting: str = ""


def addresses(view: View) -> Iterator[Address]:
    """Every address there is, settings first, in the order of the documentation."""
    for spec in SPECS.values():
        yield from _of_setting(spec, tuple(view.lists.get(spec.name, spec.choices)))
    names = tuple(scene.name for scene in view.scenes)
    yield Address(f"{ROOT}/{SCENE}", "s", "fade to a scene", "a scene's name [seconds]", choices=names)
    for scene in view.scenes:
        path = f"{ROOT}/{SCENE}/{scene.name.replace(' ', '_')}"
        yield Address(path, "f", f"fade to the scene {scene.title or scene.name}", "[seconds]", 0.0, 3600.0)
    yield Address(f"{ROOT}/{CUE}", "i", "play a cue of the cue list", "its number, from 1", 1.0, 9999.0)
    for path, types, help, possible, low, high, choices in patch_lines(view.patch):
        yield Address(f"{ROOT}/{path}", types, help, possible, low, high, choices)
    for name, command in COMMANDS.items():
        yield Address(f"{ROOT}/{name}", "", command.value, "nothing; or 1, and 0 is ignored")


def _of_setting(spec: Spec, values: tuple[Any, ...]) -> Iterator[Address]:
    path, name = f"{ROOT}/{spec.name}", spec.name
    if spec.kind is bool:
        yield Address(path, "T", spec.help, "0, 1; nothing turns it over", setting=name)
        return
    if values or spec.minimum is not None:
        words = "0–1, a word, or an index from 0" if values and spec.kind is str else "0–1"
        yield Address(path, "f", spec.help, words, 0.0, 1.0, setting=name)
    types = {int: "i", float: "f", str: "s"}[spec.kind]
    low, high = (None if end is None else float(end) for end in (spec.minimum, spec.maximum))
    if spec.zero and low is not None:
        low = 0.0
    # A text may be more than what a list offers: several layers with weights, words with commas.
    choices = spec.choices or values
    possible = ", ".join(map(str, choices)) if choices and not spec.values else spec.possible
    yield Address(f"{path}/value", types, spec.help, possible, low, high, choices, setting=name)
    if values:
        for way in _WAYS:
            yield Address(f"{path}/{way}", "", f"{way.replace('prev', 'previous')} {name}", "nothing")


def values_of(
    name: str, settings: Settings, lists: Mapping[str, Sequence[Any]], scene: str
) -> dict[str, Any]:
    """The addresses and values that tell of a setting (or of the scene), as a client may send them back."""
    if name == SCENE:
        return {f"{ROOT}/{SCENE}": scene}
    spec, value = SPECS[name], getattr(settings, name)
    path, values = f"{ROOT}/{name}", lists.get(name, spec.choices)
    if spec.kind is bool:
        return {path: int(value), f"{path}/value": int(value)}
    told = {}
    if values or spec.minimum is not None:
        told[path] = max(0.0, float(spec.to_unit(value, values)))
    return told | {f"{path}/value": value}
