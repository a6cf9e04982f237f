"""What one setting may be: its type, range, unit and help, and how a control's movement becomes a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from livedream.errors import UsageError, quoted

Number = int | float
#: Where a setting stands in lists: what is dreamt, how it is shown, the show around it.
Group = Literal["dream", "picture", "show"]
GROUPS: tuple[Group, ...] = get_args(Group)
#: What a setting belongs to, and so what may set and store it: a scene, the place (the screen, the room),
#: the machine (what it can bear), or the person at the controls, for this moment only.
Scope = Literal["scene", "place", "machine", "person"]
#: The commands that use a setting; ``classic`` is ``render --classic``.
Command = Literal["mirror", "render", "classic"]


@dataclass(frozen=True)
class Spec:
    """What one setting may be: its type, range or choices, step of a control, unit and help.

    ``values`` says in words what a text may be; ``verify`` raises ``UsageError`` for any other. ``curve`` is
    how a control's 0..1 is laid over the range: ``log`` gives equal ratios equal room. ``zero`` is the word
    for a value of 0 that is not in the range: ``auto``, which lies below the range on a control.
    ``steady``: graphs are opened for each value of it.
    """

    name: str
    kind: type
    default: Any
    help: str
    group: Group
    scope: Scope
    used_by: tuple[Command, ...]
    minimum: Number | None = None
    maximum: Number | None = None
    step: Number | None = None
    unit: str = ""
    choices: tuple[Any, ...] = ()
    values: str = ""
    curve: Literal["linear", "log"] = "linear"
    zero: str = ""
    verify: Callable[[Any], object] | None = None
    steady: bool = False

    @property
    def modulable(self) -> bool:
        """Whether it may move all the time: a number of a scene that opens no graphs."""
        return self.minimum is not None and self.scope == "scene" and not (self.zero or self.steady)

    @property
    def flag(self) -> str:
        """The command-line flag: ``--step-size``."""
        return "--" + self.name.replace("_", "-")

    @property
    def possible(self) -> str:
        """The possible values, in words."""
        if self.choices:
            return ", ".join(str(choice) for choice in self.choices)
        if self.kind is bool:
            return "on, off"
        if self.minimum is not None:
            numbers = f"{self.minimum:g}–{self.maximum:g}" + (f" {self.unit}" if self.unit else "")
            return f"{self.zero} or {numbers}" if self.zero else numbers
        return self.values

    def word(self, value: Any) -> str:
        """A value as it is written: ``on``, ``auto``, ``1.5``."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return self.zero if self._is_zero(value) else str(value)

    def check(self, value: Any) -> Any:
        """``value`` in this setting's type. Raises ``UsageError`` when it is not possible."""
        if self.kind is bool:
            ok = isinstance(value, bool)
        elif self.kind is int:
            ok = isinstance(value, int) and not isinstance(value, bool)
        elif self.kind is float:
            ok = isinstance(value, int | float) and not isinstance(value, bool)
        else:
            ok = isinstance(value, str) and _is_text(value)
        if ok and self._is_zero(value):
            return value
        if ok and self.choices:
            ok = value in self.choices
        if ok and self.minimum is not None and self.maximum is not None:
            ok = self.minimum <= value <= self.maximum  # NaN fails this too
        if not ok:
            raise UsageError(f"setting {self.name}: invalid value {quoted(value)}: expected {self.possible}")
        if self.verify is not None:
            self.verify(value)
        return float(value) if self.kind is float else value

    def parse(self, text: str) -> Any:
        """The value that ``text`` (from a command line, a web form) stands for. Raises ``UsageError``."""
        if self.kind is bool:
            words = {"on": True, "true": True, "yes": True, "1": True}
            words |= {"off": False, "false": False, "no": False, "0": False}
            value: Any = words.get(text.strip().lower(), text)
        elif self.zero and text.strip().lower() == self.zero:
            value = self.kind(0)
        elif self.kind in (int, float):
            try:
                value = self.kind(text)
            except ValueError:
                value = text
        else:
            value = text.strip()
        return self.check(value)

    def nudge(self, value: Any, count: int) -> Any:
        """``value`` moved by ``count`` control steps, held inside the range. Raises ``UsageError``.

        A 0 that has a word moves from the middle of the range, and lies below its lower end.
        """
        low, high, step = self._range()
        if self._is_zero(value):
            value = self.from_unit(0.5)
        elif self.zero and value + count * step < low:
            return self.kind(0)
        moved = round((value + count * step) / step) * step
        return self.check(self.kind(round(min(high, max(low, moved)), 6)))

    def from_unit(self, unit: float, values: Sequence[Any] = ()) -> Any:
        """The value at ``unit`` (0..1) of a fader's way, held inside it.

        ``values`` are those of a setting whose values depend on others: layers, networks. Raises
        ``UsageError`` for a ``unit`` that is no number and a setting that has no range.
        """
        if not math.isfinite(unit):
            raise UsageError(f"setting {self.name}: invalid position {unit}: expected 0–1")
        unit = min(1.0, max(0.0, unit))
        if listed := self._listed(values):
            return listed[min(len(listed) - 1, int(unit * len(listed)))]
        low, high, step = self._range()
        if self.zero and unit == 0:
            return self.kind(0)
        if self.curve == "log":
            # A range that begins at 0 begins with 0, and rises by ratios from its first step on.
            first = low or step
            value = low if unit == 0 else first * (high / first) ** unit
        else:
            value = low + unit * (high - low)
        return self.check(self.kind(round(value, 0 if self.kind is int else 6)))

    def to_unit(self, value: Any, values: Sequence[Any] = ()) -> float:
        """Where ``value`` is on a fader's way, 0..1: the opposite of :meth:`from_unit`."""
        if listed := self._listed(values):
            return listed.index(value) / max(1, len(listed) - 1) if value in listed else 0.0
        low, high, step = self._range()
        if self.curve == "log":
            first = low or step
            return 0.0 if value <= first else min(1.0, math.log(value / first) / math.log(high / first))
        return float((value - low) / (high - low))

    def _is_zero(self, value: Any) -> bool:
        return bool(self.zero) and not isinstance(value, bool) and value == 0

    def _listed(self, values: Sequence[Any]) -> Sequence[Any]:
        return values or self.choices or ((False, True) if self.kind is bool else ())

    def _range(self) -> tuple[Number, Number, Number]:
        if self.minimum is None or self.maximum is None or self.step is None:
            raise UsageError(f"setting {self.name} has no range to move in: expected {self.possible}")
        return self.minimum, self.maximum, self.step


def _is_text(value: str) -> bool:
    """Whether it can be stored and sent on: JSON's escapes can also stand for half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
