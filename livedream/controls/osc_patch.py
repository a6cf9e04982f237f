"""The OSC addresses of the modulation.

/dream/mod/<n>/<field>        source, setting, amount, attack_s, release_s of a modulation, from 1
/dream/mod/<n>/remove         nothing
/dream/mod/add                a source, a setting [and the amount]
/dream/lfo/<n>/<field>        shape, period_s, beats, phase of an LFO, 1 to 8
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from livedream.controls.actions import Action, RemoveModulation, SetLfo, SetModulation
from livedream.controls.patch import LFOS, MODULABLE, SENSES, SHAPES, Patch
from livedream.errors import UsageError, quoted

MOD, LFO = "mod", "lfo"
_SOURCES = (*LFOS, *SENSES)
#: The fields with their OSC types, ranges and choices.
_MOD_FIELDS: dict[str, tuple[str, float | None, float | None, tuple[str, ...]]] = {
    "source": ("s", None, None, _SOURCES),
    "setting": ("s", None, None, MODULABLE),
    "amount": ("f", -1.0, 1.0, ()),
    "attack_s": ("f", 0.0, 60.0, ()),
    "release_s": ("f", 0.0, 60.0, ()),
}
_LFO_FIELDS: dict[str, tuple[str, float | None, float | None, tuple[str, ...]]] = {
    "shape": ("s", None, None, SHAPES),
    "period_s": ("f", 0.1, 86400.0, ()),
    "beats": ("f", 0.0, 1024.0, ()),
    "phase": ("f", 0.0, 1.0, ()),
}


def understand_patch(parts: Sequence[str], arguments: Sequence[Any], patch: Patch) -> Action | None:
    """What ``/dream/mod/…`` or ``/dream/lfo/…`` asks for; None for a button that was let go.

    ``parts`` begin with ``mod`` or ``lfo``. Raises ``UsageError``.
    """
    match parts, tuple(arguments):
        case [("mod", "add"), (str() as source, str() as setting, *rest)] if len(rest) < 2:
            values = {"source": source, "setting": setting} | ({"amount": rest[0]} if rest else {})
            return SetModulation(len(patch.modulations) + 1, values)
        case [("mod", number, "remove"), pressed] if number.isdecimal():
            return None if pressed in ((0,), (False,)) else RemoveModulation(int(number[:6]))
        case [("mod", number, field), (value,)] if number.isdecimal() and field in _MOD_FIELDS:
            return SetModulation(int(number[:6]), {field: value})
        case [("lfo", number, field), (value,)] if f"lfo{number}" in LFOS and field in _LFO_FIELDS:
            return SetLfo(f"lfo{number}", {field: value})
    raise UsageError(
        f"OSC /dream/{'/'.join(parts)}: invalid address or value {quoted(tuple(arguments))}:"
        f" expected /dream/mod/1/amount 0.3, /dream/mod/1/remove, /dream/mod/add beat zoom 0.3 or"
        " /dream/lfo/1/beats 4"
    )


#: A line of the list: path below ``/dream``, OSC types, help, what is possible, lowest, highest, choices.
Line = tuple[str, str, str, str, float | None, float | None, tuple[str, ...]]


def patch_lines(patch: Patch) -> Iterator[Line]:
    """The addresses of the modulation that there is now, and how to add to it."""
    yield f"{MOD}/add", "ss", "add a modulation", "a source, a setting [amount]", None, None, ()
    for number, one in enumerate(patch.modulations, 1):
        for field, (types, low, high, choices) in _MOD_FIELDS.items():
            help = f"{field} of modulation {number}: {one.source} moves {one.setting}"
            yield f"{MOD}/{number}/{field}", types, help, _possible(low, high, choices), low, high, choices
        yield f"{MOD}/{number}/remove", "", f"remove modulation {number}", "nothing", None, None, ()
    used = [name for name in LFOS if name in patch.lfos or any(m.source == name for m in patch.modulations)]
    for name in used:
        for field, (types, low, high, choices) in _LFO_FIELDS.items():
            path = f"{LFO}/{name.removeprefix('lfo')}/{field}"
            yield path, types, f"{field} of {name}", _possible(low, high, choices), low, high, choices


def _possible(low: float | None, high: float | None, choices: tuple[str, ...]) -> str:
    return ", ".join(choices) if choices else f"{low:g}–{high:g}"
