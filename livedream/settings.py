"""Every knob of the mirror, once: name, default, range, unit and a sentence of help.

Command-line flags, the keyboard, the HUD, the web page and the table in the documentation are made from
the fields of :class:`Settings`; nothing is typed twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from livedream.errors import UsageError, quoted

Number = int | float
#: What is dreamt; how it is shown; and what belongs to the place and the machine, so to no scene.
Group = Literal["dream", "picture", "show"]


@dataclass(frozen=True)
class Spec:
    """What one setting may be: its type, range or choices, step of a control, unit and help."""

    name: str
    kind: type
    default: Any
    help: str
    group: Group
    minimum: Number | None = None
    maximum: Number | None = None
    step: Number | None = None
    unit: str = ""
    choices: tuple[Any, ...] = ()

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
            return f"{self.minimum} to {self.maximum}" + (f" {self.unit}" if self.unit else "")
        return "a name"

    def check(self, value: Any) -> Any:
        """``value`` in this setting's type. Raises ``UsageError`` when it cannot be."""
        if self.kind is bool:
            ok = isinstance(value, bool)
        elif self.kind is int:
            ok = isinstance(value, int) and not isinstance(value, bool)
        elif self.kind is float:
            ok = isinstance(value, int | float) and not isinstance(value, bool)
            with suppress(OverflowError):  # an integer too large for a float is out of range, too
                value = float(value) if ok else value
        else:
            ok = isinstance(value, str)
        if ok and self.choices:
            ok = value in self.choices
        if ok and self.minimum is not None and self.maximum is not None:
            ok = self.minimum <= value <= self.maximum  # NaN fails this too
        if not ok:
            raise UsageError(f"setting {self.name} cannot be {quoted(value)}; possible: {self.possible}")
        return value

    def parse(self, text: str) -> Any:
        """The value that ``text`` (from a command line, a web form) stands for. Raises ``UsageError``."""
        if self.kind is bool:
            words = {"on": True, "true": True, "yes": True, "1": True}
            words |= {"off": False, "false": False, "no": False, "0": False}
            value: Any = words.get(text.strip().lower(), text)
        elif self.kind in (int, float):
            try:
                value = self.kind(text)
            except ValueError:
                value = text
        else:
            value = text.strip()
        return self.check(value)

    def nudge(self, value: Any, count: int) -> Any:
        """``value`` moved by ``count`` control steps, held inside the range."""
        if self.minimum is None or self.maximum is None or self.step is None:
            raise UsageError(f"setting {self.name} has no steps; possible: {self.possible}")
        moved = round((value + count * self.step) / self.step) * self.step
        return self.check(self.kind(round(min(self.maximum, max(self.minimum, moved)), 6)))


def _number(
    default: Number, low: Number, high: Number, step: Number, unit: str, help: str, group: Group = "dream"
) -> Any:
    data = {"minimum": low, "maximum": high, "step": step, "unit": unit, "help": help, "group": group}
    return field(default=default, metadata=data)


def _other(default: Any, help: str, group: Group, choices: tuple[Any, ...] = ()) -> Any:
    return field(default=default, metadata={"help": help, "group": group, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """One snapshot of every setting. Immutable; ``settings.replace(steps=3)`` makes the next one.

    Raises ``UsageError`` (setting, value found, values possible) when a value is of the wrong kind or
    out of range.
    """

    network: str = _other("dreamnet", "the network that dreams", "dream")
    layer: str = _other(
        "parts",
        "the layer to amplify: a name of the network's own, or edges, textures, patterns, parts, objects;"
        " or several with their weights, such as textures:0.3,parts:0.7",
        "dream",
    )
    channels: str = _other(
        "",
        "only some channels of the layer, such as 11,42 or 0-99 or 1-511/5 (every fifth),"
        " or the third most active of the picture: top 3",
        "dream",
    )
    guide: str = _other("", "dream of this picture, or of the first picture in this folder", "dream")
    steps: int = _number(2, 0, 20, 1, "", "ascent steps in each dream tick")
    octaves: int = _number(4, 1, 6, 1, "", "sizes that the steps cycle through")
    octave_scale: float = _number(2.0, 1.1, 4.0, 0.1, "×", "ratio between two octaves")
    step_size: float = _number(1.4, 0.1, 20.0, 0.1, "levels", "how far one step goes, in levels of 255")
    attack: float = _number(4.0, 1.0, 10.0, 0.5, "×", "how much longer steps are where the dream is young")
    jitter: int = _number(
        16, 0, 64, 1, "px", "shift in each step, undone after it; evenly spread over all directions"
    )
    persistence: float = _number(
        0.985, 0.0, 0.999, 0.005, "", "how much of the last tick's dream is carried to the next"
    )
    calm: float = _number(
        0.95, 0.0, 0.99, 0.01, "", "how much of the last tick's direction is kept; 0 is lively, and flickers"
    )
    pool_gradient: str = _other(
        "exact",
        "how gradients pass max-pools: exactly, or softly, for larger and more colourful forms",
        "dream",
        ("exact", "soft"),
    )
    gradient_shaping: str = _other(
        "laplacian",
        "how gradients are shaped: not at all, smoothed, balanced by frequency, or in natural colours",
        "dream",
        ("none", "smooth", "laplacian", "colour"),
    )
    residual_limit: float = _number(
        90.0, 5.0, 255.0, 5.0, "levels", "soft limit of the dream, in levels of 255"
    )
    working_px: int = _number(320, 64, 1280, 32, "px", "longer side of the picture that the network sees")
    dream_rate_hz: float = _number(60.0, 1.0, 240.0, 5.0, "Hz", "at most so many dream ticks a second")
    crossfade_s: float = _number(
        2.0, 0.0, 30.0, 0.5, "s", "how long a change of layer, channels, guide or network takes"
    )
    zoom: float = _number(0.0, -20.0, 20.0, 0.5, "%/s", "the dream grows by so much a second")
    spin: float = _number(0.0, -90.0, 90.0, 1.0, "°/s", "the dream turns clockwise")
    pan_x: float = _number(0.0, -50.0, 50.0, 1.0, "%/s", "the dream moves right, in its widths")
    pan_y: float = _number(0.0, -50.0, 50.0, 1.0, "%/s", "the dream moves down, in its widths")
    feedback: float = _number(
        0.0, 0.0, 1.0, 0.05, "", "how much of the picture itself is dreamt on instead of the camera's"
    )
    journey: bool = _other(False, "walk up and down through the layers", "dream")
    journey_hold_s: float = _number(12.0, 0.0, 600.0, 1.0, "s", "how long a journey holds each layer")
    journey_fade_s: float = _number(6.0, 0.0, 60.0, 0.5, "s", "how long it fades to the next")
    journey_bpm: float = _number(0.0, 0.0, 300.0, 1.0, "beats/min", "its tempo; 0 goes by the seconds above")
    journey_beats: int = _number(16, 1, 256, 1, "beats", "how long each layer takes at that tempo")
    strength: float = _number(
        1.0, 0.0, 3.0, 0.1, "×", "how much of the dream is laid over the camera", "picture"
    )
    mix: str = _other(
        "over",
        "the dream over the sharp camera, the dream alone, or only its light and shade, in the camera's"
        " colours",
        "picture",
        ("over", "dream", "luminance"),
    )
    mask: str = _other(
        "everywhere",
        "dream everywhere, where something moves, on whoever is in front of the learnt background, or on"
        " the background",
        "picture",
        ("everywhere", "moving", "visitor", "background"),
    )
    vignette: float = _number(
        0.0,
        -1.0,
        1.0,
        0.1,
        "",
        "above 0 the dream fades out towards the corners, below 0 towards the centre",
        "picture",
    )
    mirror: bool = _other(True, "left and right as in a mirror", "show")
    fit: str = _other(
        "fill",
        "fill the screen and crop the camera, or keep the whole camera picture",
        "show",
        ("fill", "contain"),
    )
    rotate: int = _other(
        0, "turn the picture clockwise, in degrees, for a turned screen", "show", (0, 90, 180, 270)
    )
    freeze: bool = _other(False, "hold the picture", "show")
    blackout: bool = _other(False, "show black", "show")
    attract_after_s: float = _number(
        20.0,
        0.0,
        3600.0,
        5.0,
        "s",
        "so long without a visitor, and the scene attract begins; 0 is never",
        "show",
    )
    journey_for_visitors: bool = _other(False, "a journey for as long as somebody is there", "show")
    detect_visitors_in: str = _other(
        "live",
        "look for visitors in cameras and streams only, or in any source, videos and photographs too",
        "show",
        ("live", "any"),
    )

    def __post_init__(self) -> None:
        for spec in SPECS.values():
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))

    def replace(self, **changes: Any) -> Settings:
        """A copy with some settings changed. Raises ``UsageError`` for unknown names and values."""
        for name in changes:
            spec_of(name)
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """All settings by name; JSON-able."""
        return {name: getattr(self, name) for name in SPECS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """The opposite of :meth:`as_dict`; missing names keep their defaults. Raises ``UsageError``."""
        return cls().replace(**values)


def _specs() -> dict[str, Spec]:
    kinds: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
    return {
        f.name: Spec(name=f.name, kind=kinds[str(f.type)], default=f.default, **f.metadata)
        for f in dataclasses.fields(Settings)
    }


#: Every setting by name, in the order of the documentation.
SPECS: dict[str, Spec] = _specs()


def spec_of(name: str) -> Spec:
    """The spec of a setting. Raises ``UsageError`` for an unknown name."""
    if name not in SPECS:
        raise UsageError(f"unknown setting {name!r}; possible: {', '.join(SPECS)}")
    return SPECS[name]


def parse_assignment(text: str) -> dict[str, Any]:
    """``"steps=3"`` as ``{"steps": 3}``. Raises ``UsageError``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set wants NAME=VALUE, found {text!r}; for example --set steps=3")
    name = name.strip().replace("-", "_")
    return {name: spec_of(name).parse(value)}


def settings_table() -> str:
    """The documentation's Markdown table of all settings."""
    rows = ["| setting | default | possible | what it does |", "| --- | --- | --- | --- |"]
    for spec in SPECS.values():
        default = {True: "on", False: "off"}[spec.default] if spec.kind is bool else spec.default
        rows.append(f"| `{spec.name}` | {default} | {spec.possible} | {spec.help} |")
    return "\n".join(rows)
