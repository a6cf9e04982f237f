"""What a knob or a button of a map may do, for several kinds of controllers; errors in one line."""

from __future__ import annotations

from typing import Any

from livedream.controls.actions import COMMANDS, Command
from livedream.controls.dmx_map import possible_settings
from livedream.errors import UsageError, quoted
from livedream.settings import spec_of


def target_of(where: str, table: dict[str, Any]) -> tuple[str, str, Command | None]:
    targets = [name for name in ("setting", "scene", "command") if name in table]
    if len(targets) != 1:
        found = " and ".join(targets) or "none"
        raise UsageError(f"{where}: found {found}, expected one of setting, scene, command")
    (target,) = targets
    value = table[target]
    if target == "setting" and value not in possible_settings():
        raise invalid(where, target, value, ", ".join(possible_settings()))
    if target == "command" and (not isinstance(value, str) or value not in COMMANDS):
        raise invalid(where, target, value, ", ".join(COMMANDS))
    if target == "scene" and (not isinstance(value, str) or not value):
        raise invalid(where, target, value, "the name of a scene")
    return (
        value if target == "setting" else "",
        value if target == "scene" else "",
        COMMANDS[value] if target == "command" else None,
    )


def require_mode(where: str, setting: str, mode: str) -> None:
    spec = spec_of(setting)
    if mode in ("toggle", "hold") and spec.kind is not bool:
        raise UsageError(f"{where}: mode {mode} is for a switch, and {setting} is none")
    if mode in ("up", "down") and spec.minimum is None:
        raise UsageError(f"{where}: mode {mode} is for a number, and {setting} is none; possible: next")
    if mode in ("next", "previous") and spec.minimum is not None and not spec.choices:
        raise UsageError(
            f"{where}: mode {mode} is for a list of values, and {setting} is a number; possible: up"
        )


def switch(where: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(where, name, value, "true or false")
    return value


def whole(where: str, name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid(where, name, value, f"{low}–{high}")
    return value


def invalid(where: str, name: str, value: Any, expected: str) -> UsageError:
    return UsageError(f"{where}: {name}: invalid value {quoted(value)}: expected {expected}")
