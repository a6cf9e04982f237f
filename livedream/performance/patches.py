"""Patches in the files of scenes.

[[modulation]]
source = "lfo1"         # see livedream.controls.patch for sources and settings
setting = "zoom"
amount = 0.2            # -1..1 of the setting's range
attack_s = 0.0
release_s = 0.3

[lfo.1]
shape = "sine"
beats = 8.0
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from livedream.controls.patch import LFOS, MOST_MODULATIONS, Lfo, Modulation, Patch
from livedream.errors import UsageError, quoted
from livedream.toml_files import some, toml


def read_patch(content: Mapping[str, Any], where: str, problems: list[str]) -> Patch:
    """What can be used of the tables of a file; ``where`` begins what is said about the rest."""
    modulations: list[Modulation] = []
    tables = content.get("modulation", [])
    if not isinstance(tables, list):
        problems.append(f"{where}modulation: invalid value {quoted(tables)}: expected tables [[modulation]]")
        tables = []
    if len(tables) > MOST_MODULATIONS:
        problems.append(f"{where}modulation: found {len(tables)}, expected {MOST_MODULATIONS} at most")
    for number, table in enumerate(tables[:MOST_MODULATIONS], 1):
        fields = _fields(table, Modulation, f"{where}modulation {number}: ", problems)
        if fields is not None:
            try:
                modulations.append(Modulation(**{"source": "", "setting": "", **fields}))
            except UsageError as error:
                problems.append(f"{where}modulation {number}: {error}")
    return Patch(tuple(modulations), _lfos(content.get("lfo", {}), where, problems))


def _lfos(tables: Any, where: str, problems: list[str]) -> dict[str, Lfo]:
    if not isinstance(tables, dict):
        problems.append(f"{where}lfo: invalid value {quoted(tables)}: expected tables such as [lfo.1]")
        return {}
    found = {}
    for number, table in tables.items():
        name = f"lfo{number}"
        if name not in LFOS:
            problems.append(f"{where}unknown LFO {quoted(number)}; possible: [lfo.1] to [lfo.{len(LFOS)}]")
            continue
        fields = _fields(table, Lfo, f"{where}lfo {number}: ", problems)
        if fields is not None:
            try:
                found[name] = Lfo(**fields)
            except UsageError as error:
                problems.append(f"{where}lfo {number}: {error}")
    return found


def _fields(table: Any, kind: type, where: str, problems: list[str]) -> dict[str, Any] | None:
    """The fields of a table that there are; None for what is no table."""
    known = [f.name for f in dataclasses.fields(kind)]
    if not isinstance(table, dict):
        problems.append(f"{where}invalid value {quoted(table)}: expected a table")
        return None
    if unknown := [name for name in table if name not in known]:
        problems.append(f"{where}{some(unknown)}: unknown; possible: {', '.join(known)}")
    return {name: value for name, value in table.items() if name in known}


def patch_text(patch: Patch) -> str:
    """The tables of a patch, empty for one that does nothing."""
    lines: list[str] = []
    for one in patch.modulations:
        lines += [
            "",
            "[[modulation]]",
            *_lines(one, Modulation(one.source, one.setting), "source", "setting"),
        ]
    for name, lfo in patch.lfos.items():
        lines += ["", f"[lfo.{name.removeprefix('lfo')}]", *_lines(lfo, Lfo(), "shape")]
    return "".join(f"{line}\n" for line in lines)


def _lines(one: Modulation | Lfo, default: Modulation | Lfo, *always: str) -> list[str]:
    fields = [f.name for f in dataclasses.fields(one)]
    told = [n for n in fields if n in always or n == "amount" or getattr(one, n) != getattr(default, n)]
    return [f"{name} = {toml(getattr(one, name))}" for name in told]
