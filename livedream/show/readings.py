"""Makes readings: what an action of a control has come to, in large type for a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from livedream.controls.actions import Action, Cycle, Nudge, Set, SetUnit, Toggle
from livedream.controls.desk import SceneTitle
from livedream.networks.catalogue import network_info
from livedream.settings import Settings, spec_of
from livedream.specs import Spec
from livedream.stage.reading import Reading

#: What an empty text means.
_EMPTY = {
    "channels": "all",
    "guide": "none",
    "dream_of": "the whole layer",
    "dream_to": "nothing",
    "dream_at": "this machine",
    "display": "the first",
    "corners": "the whole screen",
    "mesh": "flat",
}


def reading_of(
    action: Action, before: Settings, after: Settings, lists: Mapping[str, Sequence[Any]]
) -> Reading | None:
    """What ``action`` has set, None for one that sets nothing by name.

    ``before`` and ``after`` are the settings around it, ``lists`` the values of those that depend on others.
    """
    if not isinstance(action, Set | SetUnit | Nudge | Toggle | Cycle) or action.name == "edit_point":
        return None  # a point that is moved says so itself
    spec = spec_of(action.name)
    value = getattr(after, action.name)
    values = lists.get(action.name, spec.choices)
    note = ""
    if value == getattr(before, action.name):
        note = _why_the_same(spec, action, value, values)
    return Reading(
        spec.name.removesuffix("_s").replace("_", " "), value_text(after, spec), _unit(spec, value), note
    )


def scene_reading(name: str, scenes: Sequence[SceneTitle]) -> Reading:
    """The scene that is faded to."""
    titles = {scene.name: scene.title for scene in scenes}
    return Reading("scene", titles.get(name, name))


def value_text(settings: Settings, spec: Spec) -> str:
    """The value of a setting as it is read from afar, with its unit."""
    value = getattr(settings, spec.name)
    if spec.name == "layer":
        return layer_words(settings.network, value)
    if spec.kind is str:
        text = PurePath(value).stem if spec.name == "guide" and value else str(value)
        return text or _EMPTY.get(spec.name, "–")
    if spec.name == "rotate":
        return f"{value}°"
    if spec.kind is bool or spec.choices or (spec.zero and value == 0):
        return spec.word(value)
    number = f"{value:g}"
    unit = "x" if spec.unit == "×" else spec.unit  # the typeface has no such sign
    return f"{number}{unit}" if unit in ("x", "%/s", "°/s", "") else f"{number} {unit}"


def layer_words(network: str, layer: str) -> str:
    """The words of the layers in a blend, the heaviest first: ``parts``, or ``parts + textures``."""
    blend = sorted(network_info(network).blend(layer), key=lambda part: -part[1])
    return " + ".join(dict.fromkeys(found.word or found.name for found, _ in blend))


def _unit(spec: Spec, value: Any) -> float | None:
    number = spec.minimum is not None and not spec.choices and not (spec.zero and value == 0)
    return spec.to_unit(value) if number else None


def _why_the_same(spec: Spec, action: Action, value: Any, values: Sequence[Any]) -> str:
    if isinstance(action, Cycle):
        if spec.name == "guide" and len(values) < 2:
            return "no other here: --guide takes an image or a folder of images"
        return "the only one here" if len(values) < 2 else ""
    if isinstance(action, Nudge) and spec.maximum is not None:
        return "the most" if action.count > 0 else "the least"
    return ""
