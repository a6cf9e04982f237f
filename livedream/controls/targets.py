"""What the maps of controllers (DMX, MIDI, gamepads) have in common: tables, and what each moves.

``where`` begins what is said about a mistake, in one line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from livedream.controls.actions import COMMANDS, Command
from livedream.errors import UsageError, quoted
from livedream.settings import DEPENDENT_SETTINGS, SPECS, spec_of
from livedream.toml_files import some


@cache
def possible_settings() -> tuple[str, ...]:
    """The settings that a fader can move: those with a range or a list of values."""
    return tuple(
        name
        for name, spec in SPECS.items()
        if spec.kind is not str or spec.choices or name in DEPENDENT_SETTINGS
    )


def tables_of(where: str, content: dict[str, Any], name: str, least: int, most: int) -> list[Any]:
    """The tables ``[[name]]`` of a file, ``least`` to ``most`` of them. Raises ``UsageError``."""
    tables = content.get(name, [])
    if not isinstance(tables, list) or not least <= len(tables) <= most:
        raise invalid(where, name, tables, f"{least}–{most} tables [[{name}]]")
    return tables


def table_of(where: str, table: Any, name: str, keys: Collection[str]) -> dict[str, Any]:
    """``table`` as one ``[[name]]`` with no other ``keys``. Raises ``UsageError``."""
    if not isinstance(table, dict):
        raise invalid(where, name, table, f"a table [[{name}]]")
    require_known(where, table, keys)
    return table


def require_known(where: str, table: dict[str, Any], keys: Collection[str]) -> None:
    """Raise ``UsageError`` if there is anything but ``keys``."""
    if unknown := [name for name in table if name not in keys]:
        raise UsageError(f"{where}: {some(unknown)}: unknown; possible: {', '.join(keys)}")


def one_of(where: str, table: dict[str, Any], names: Sequence[str]) -> str:
    """The one of ``names`` that a table has. Raises ``UsageError`` for none, or several."""
    found = [name for name in names if name in table]
    if len(found) != 1:
        raise UsageError(
            f"{where}: found {' and '.join(found) or 'none'}, expected one of {', '.join(names)}"
        )
    return found[0]


def setting_of(where: str, name: Any) -> str:
    """The name of a setting that a controller can move. Raises ``UsageError``."""
    if name not in possible_settings():
        raise invalid(where, "setting", name, ", ".join(possible_settings()))
    return str(name)


def command_of(where: str, name: Any) -> Command:
    """The command of this name. Raises ``UsageError``."""
    if not isinstance(name, str) or name not in COMMANDS:
        raise invalid(where, "command", name, ", ".join(COMMANDS))
    return COMMANDS[name]


def target_of(where: str, table: dict[str, Any]) -> tuple[str, str, Command | None]:
    """(setting, scene, command) that a table names: one of them, the others empty. Raises ``UsageError``."""
    target = one_of(where, table, ("setting", "scene", "command"))
    value = table[target]
    if target == "setting":
        return setting_of(where, value), "", None
    if target == "command":
        return "", "", command_of(where, value)
    if not isinstance(value, str) or not value:
        raise invalid(where, target, value, "the name of a scene")
    return "", value, None


def require_mode(where: str, setting: str, mode: str) -> None:
    """Raise ``UsageError`` if a setting cannot be played in this way."""
    spec = spec_of(setting)
    if mode in ("toggle", "hold") and spec.kind is not bool:
        raise UsageError(f"{where}: mode {mode} is for a switch, and {setting} is not one")
    if mode in ("up", "down") and spec.minimum is None:
        raise UsageError(f"{where}: mode {mode} is for a number, and {setting} is not one; possible: next")
    if mode in ("next", "previous") and spec.minimum is not None and not spec.choices:
        raise UsageError(
            f"{where}: mode {mode} is for a list of values, and {setting} is a number; possible: up"
        )


def switch(where: str, name: str, value: Any) -> bool:
    """``value`` as true or false. Raises ``UsageError``."""
    if not isinstance(value, bool):
        raise invalid(where, name, value, "true or false")
    return value


def whole(where: str, name: str, value: Any, low: int, high: int) -> int:
    """``value`` as a whole number from ``low`` to ``high``. Raises ``UsageError``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid(where, name, value, f"{low}–{high}")
    return value


def invalid(where: str, name: str, value: Any, expected: str) -> UsageError:
    """The error for a value that is not possible."""
    return UsageError(f"{where}: {name}: invalid value {quoted(value)}: expected {expected}")
