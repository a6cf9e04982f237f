"""Makes the fields of the settings: each carries what its :class:`~livedream.specs.Spec` is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, Literal

from livedream.specs import Command, Group, Number, Scope

#: Which commands use a setting.
LIVE: tuple[Command, ...] = ("mirror",)
EVERYWHERE: tuple[Command, ...] = ("mirror", "render")
ALL: tuple[Command, ...] = ("mirror", "render", "classic")


def number(
    default: Number,
    low: Number,
    high: Number,
    step: Number,
    unit: str,
    help: str,
    group: Group = "dream",
    scope: Scope = "scene",
    used_by: tuple[Command, ...] = EVERYWHERE,
    curve: Literal["linear", "log"] = "linear",
    zero: str = "",
    steady: bool = False,
) -> Any:
    """A number from ``low`` to ``high``; ``step`` is what a key moves it by, ``zero`` the word for 0.

    A ``steady`` one must not move all the time, as graphs are opened for each of its values.
    """
    data = {"minimum": low, "maximum": high, "step": step, "unit": unit, "help": help, "curve": curve}
    data |= {"zero": zero, "steady": steady}
    return field(default=default, metadata=data | {"group": group, "scope": scope, "used_by": used_by})


def text(
    default: str,
    values: str,
    help: str,
    scope: Scope = "scene",
    used_by: tuple[Command, ...] = ALL,
    group: Group = "dream",
    verify: Callable[[str], object] | None = None,
) -> Any:
    """A text; ``values`` says in words what it may be, and ``verify`` raises ``UsageError`` for any other."""
    data = {"help": help, "group": group, "scope": scope, "values": values, "verify": verify}
    return field(default=default, metadata=data | {"used_by": used_by})


def choice(
    default: Any,
    help: str,
    group: Group,
    choices: tuple[Any, ...] = (),
    scope: Scope = "scene",
    used_by: tuple[Command, ...] = EVERYWHERE,
) -> Any:
    """A switch, or one of ``choices``."""
    data = {"help": help, "group": group, "choices": choices, "scope": scope, "used_by": used_by}
    return field(default=default, metadata=data)
