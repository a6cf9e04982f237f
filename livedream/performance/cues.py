"""Cue lists: the scenes of a set in their order, one TOML file.

    title = "Three minutes"
    loop = true             # after the last cue comes the first

    [[cue]]
    scene = "menagerie"
    title = "Opening"       # the scene's name, if it is missing
    fade_s = 4.0            # the scene's own, if it is missing

    [[cue]]
    scene = "window"
    hold_s = 20.0           # the next cue comes by itself, 20 s after this one

    [[cue]]
    scene = "fur"
    hold_beats = 32         # on a beat of the tempo

    [[cue]]
    scene = "ink"
    hold_s = 5.0
    until = "nobody"        # and then only once nobody is there; or "somebody"

A cue that says nothing of this waits for GO. Unlike a scene's, a mistake in a list is not skipped: the list
cannot be used, for nobody would notice on stage before it is too late.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedream.errors import UsageError, quoted
from livedream.toml_files import read_toml, some

UNTIL = ("somebody", "nobody")
_MOST_CUES = 500
_LONGEST_FADE_S, _LONGEST_HOLD_S, _MOST_BEATS = 600.0, 86400.0, 100000
_FIELDS = ("scene", "title", "fade_s", "hold_s", "hold_beats", "until")


@dataclass(frozen=True)
class Cue:
    """One step of a set: a scene, and what the next one waits for; see the module."""

    scene: str
    title: str
    fade_s: float | None = None
    hold_s: float | None = None
    hold_beats: float | None = None
    until: str = ""

    @property
    def waits(self) -> bool:
        """Whether the next cue waits for GO."""
        return self.hold_s is None and self.hold_beats is None and not self.until

    @property
    def follow(self) -> str:
        """When the next cue comes, in words: ``after 20 s``."""
        words = [] if self.hold_s is None else [f"after {self.hold_s:g} s"]
        words += [] if self.hold_beats is None else [f"after {self.hold_beats:g} beats"]
        words += {"somebody": ["when somebody comes"], "nobody": ["when nobody is left"]}.get(self.until, [])
        return " and ".join(words) or "on GO"


@dataclass(frozen=True)
class CueList:
    """A set: its cues in order, and whether the first follows the last."""

    title: str
    cues: tuple[Cue, ...]
    loop: bool = False

    def after(self, index: int) -> int | None:
        """The index of the cue after the one at ``index``, None after the last."""
        if index + 1 < len(self.cues):
            return index + 1
        return 0 if self.loop else None


def read_cues(path: Path, scenes: Collection[str]) -> CueList:
    """The cue list in a file. Raises ``UsageError`` with the first mistake in it.

    ``scenes`` are the names of those there are.
    """
    cues, problems = check_cues(path, scenes)
    if problems:
        more = f" (and {len(problems) - 1} more: livedream cues check)" if len(problems) > 1 else ""
        raise UsageError(problems[0] + more)
    return cues


def check_cues(path: Path, scenes: Collection[str]) -> tuple[CueList, tuple[str, ...]]:
    """What a file says, and everything that is wrong with it. Raises ``UsageError`` for no TOML file."""
    content = read_toml(path, "cue list")
    where, problems = f"cue list {path}: ", list[str]()
    if unknown := [name for name in content if name not in ("title", "loop", "cue")]:
        problems.append(f"{where}{some(unknown)}: unknown; possible: title, loop, [[cue]]")
    title, loop, tables = content.get("title", path.stem), content.get("loop", False), content.get("cue", [])
    if not isinstance(title, str):
        problems.append(f"{where}title: invalid value {quoted(title)}: expected a text in quotes")
    if not isinstance(loop, bool):
        problems.append(f"{where}loop: invalid value {quoted(loop)}: expected true or false")
    if not isinstance(tables, list) or not 1 <= len(tables) <= _MOST_CUES:
        found = f"{len(tables)} cues" if isinstance(tables, list) else quoted(tables)
        problems.append(f"{where}found {found}, expected 1–{_MOST_CUES} tables [[cue]]")
        tables = []
    cues = [_cue(t, f"{where}cue {n}: ", scenes, problems) for n, t in enumerate(tables, 1)]
    return CueList(str(title), tuple(cue for cue in cues if cue is not None), loop is True), tuple(problems)


def _cue(table: Any, where: str, scenes: Collection[str], problems: list[str]) -> Cue | None:
    if not isinstance(table, dict):
        problems.append(f"{where}invalid value {quoted(table)}: expected a table [[cue]]")
        return None
    if unknown := [name for name in table if name not in _FIELDS]:
        problems.append(f"{where}{some(unknown)}: unknown; possible: {', '.join(_FIELDS)}")
    scene, until = table.get("scene", ""), table.get("until", "")
    title = table.get("title", scene)
    if not isinstance(scene, str) or scene not in scenes:
        problems.append(f"{where}scene: unknown scene {quoted(scene)}; possible: {', '.join(scenes)}")
    if not isinstance(title, str):
        problems.append(f"{where}title: invalid value {quoted(title)}: expected a text in quotes")
    if until not in ("", *UNTIL):
        problems.append(f"{where}until: invalid value {quoted(until)}: expected {' or '.join(UNTIL)}")

    def number(name: str, low: float, high: float, unit: str) -> float | None:
        value = table.get(name)
        if value is None:
            return None
        if not isinstance(value, bool) and isinstance(value, int | float) and low <= value <= high:
            return float(value)
        problems.append(f"{where}{name}: invalid value {quoted(value)}: expected {low:g}–{high:g} {unit}")
        return None

    return Cue(
        str(scene),
        str(title),
        number("fade_s", 0, _LONGEST_FADE_S, "s"),
        number("hold_s", 0.1, _LONGEST_HOLD_S, "s"),
        number("hold_beats", 1, _MOST_BEATS, "beats"),
        str(until),
    )
