"""Every knob of the mirror, once: name, default, range, unit and a sentence of help.

Command-line flags, the keyboard, the HUD, the web page and the table in the documentation are made from
the fields of :class:`Settings`; nothing is typed twice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from livedream.errors import UsageError, quoted
from livedream.fields import ALL, EVERYWHERE, LIVE, choice, number, text
from livedream.projection_settings import ProjectionSettings
from livedream.room_address import ROOM_IS, room_address
from livedream.specs import Spec

#: Words that look like themselves on a person, each unlike the one before.
PALETTE = (
    "birds, castle, flowers, monkeys, jellyfish, snakes, church, mushrooms, cats, insects, buildings, dogs,"
    " spiders, ships, fish, tiger"
)
#: The settings that name a dream by words.
WORD_SETTINGS = ("dream_of", "dream_to", "word_walk", "surprise")
#: The settings whose values depend on the machine and on other settings.
DEPENDENT_SETTINGS = ("network", "layer", "channels", "guide", "dream_of", "dream_to")


@dataclass(frozen=True)
class Settings(ProjectionSettings):
    """One snapshot of every setting. Immutable; ``settings.replace(steps=3)`` makes the next one.

    Raises ``UsageError`` (setting, value found, values possible) when a value is of the wrong kind or
    out of range.
    """

    network: str = text("dreamnet", "a name from `livedream models list`", "the network that dreams")
    layer: str = text(
        "patterns",
        "a layer of the network; edges, textures, patterns, parts or objects; or several with weights,"
        " such as textures:0.3,parts:0.7",
        "the layer to amplify",
    )
    channels: str = text(
        "",
        "nothing for all; numbers and ranges such as 11,42 or 0-99 or 1-511/5; or top 1 to top 24",
        "only these channels of the layer; top 3 is the third most active in the camera's image",
    )
    guide: str = text("", "a path to an image, or to a folder of images", "dream of what this image shows")
    dream_of: str = text(
        "",
        "nothing; or a word or family, such as castle or birds; several with weights, such as"
        " golden retriever, daisy:0.5",
        "dream of what these words name, whatever the camera shows",
    )
    dream_to: str = text("", "as dream_of", "the other end of the fader dream_blend", used_by=EVERYWHERE)
    dream_blend: float = number(
        0.0, 0.0, 1.0, 0.05, "", "a fader from what is dreamt otherwise, at 0, to dream_to, at 1"
    )
    word_walk: bool = choice(
        False,
        "dream of one word after the other, at the pace of a journey: of those in dream_of, or of the palette"
        " if there are not several",
        "dream",
    )
    surprise: bool = choice(False, "dream of what the network recognises in the camera's image", "dream")
    palette: str = text(
        PALETTE,
        "words with commas between them",
        "the words that keys and word_walk step through",
        "place",
        EVERYWHERE,
    )
    steps: int = number(2, 0, 20, 1, "", "ascent steps in each 1/30 s; a new dream takes up to twice as many")
    octaves: int = number(3, 1, 6, 1, "", "scales that the steps cycle through", steady=True)
    octave_scale: float = number(1.6, 1.1, 4.0, 0.1, "×", "ratio between two octaves", steady=True)
    step_size: float = number(
        2.4, 0.1, 20.0, 0.1, "levels", "how far one step goes, in levels of 255", curve="log"
    )
    attack: float = number(2.0, 1.0, 10.0, 0.5, "×", "how much longer steps are where the dream is new")
    jitter: int = number(16, 0, 64, 1, "px", "how far the image is shifted for each step, and back after it")
    persistence_s: float = number(
        0.5,
        0.0,
        60.0,
        0.05,
        "s",
        "half-life of the dream: how long until half of it has faded; its finest detail fades sooner",
        curve="log",
    )
    momentum_s: float = number(
        0.45,
        0.0,
        5.0,
        0.05,
        "s",
        "half-life of the direction in which the dream grows; 0 is lively, and flickers",
        curve="log",
    )
    pool_gradient: str = choice(
        "exact",
        "how gradients pass max-pools: exactly, or softly for larger and more colourful forms",
        "dream",
        ("exact", "soft"),
    )
    gradient_shaping: str = choice(
        "laplacian",
        "how gradients are shaped: not at all, smoothed, balanced by frequency, or in natural colours",
        "dream",
        ("none", "smooth", "laplacian", "colour"),
    )
    visitor_focus: float = number(
        1.0,
        0.0,
        1.0,
        0.1,
        "",
        "how far the dream is a visitor's rather than that of the room behind them; 0: everywhere alike",
    )
    residual_limit: float = number(
        90.0, 5.0, 255.0, 5.0, "levels", "soft limit of the dream, in levels of 255"
    )
    working_px: int = number(
        0,
        64,
        1280,
        32,
        "px",
        "longer side of the image that the network sees; auto is as much as this machine can bear in the"
        " mirror, and 320 px in render",
        scope="machine",
        curve="log",
        zero="auto",
    )
    dream_rate_hz: float = number(
        60.0, 1.0, 240.0, 5.0, "Hz", "at most this many dream ticks a second", scope="machine", used_by=LIVE
    )
    dream_at: str = text(
        "", ROOM_IS, "let a room on another machine dream", "machine", LIVE, verify=room_address
    )
    crossfade_s: float = number(
        2.0, 0.0, 30.0, 0.5, "s", "duration of a change of layer, channels, words, guide or network"
    )
    drift: float = number(0.7, 0.0, 1.0, 0.1, "", "how far what is wanted drifts, so that a dream develops")
    zoom: float = number(0.0, -20.0, 20.0, 0.5, "%/s", "how fast the dream grows")
    spin: float = number(0.0, -90.0, 90.0, 1.0, "°/s", "how fast the dream turns clockwise")
    pan_x: float = number(0.0, -50.0, 50.0, 1.0, "%/s", "how fast the dream moves right, in its widths")
    pan_y: float = number(0.0, -50.0, 50.0, 1.0, "%/s", "how fast the dream moves down, in its widths")
    feedback: float = number(
        0.0, 0.0, 1.0, 0.05, "", "how much of the dreamt image, rather than the camera's, is dreamt on"
    )
    journey: bool = choice(False, "travel up and down through the layers", "dream")
    journey_hold_s: float = number(
        12.0, 0.0, 600.0, 1.0, "s", "how long a journey holds each layer", curve="log"
    )
    journey_fade_s: float = number(6.0, 0.0, 60.0, 0.5, "s", "how long it takes to fade to the next layer")
    journey_bpm: float = number(
        0.0, 0.0, 300.0, 1.0, "beats/min", "tempo of the journey; 0 uses the two durations above"
    )
    journey_beats: int = number(
        16, 1, 256, 1, "beats", "how long each layer takes at that tempo", curve="log"
    )
    journey_on_beat: bool = choice(
        False, "a journey follows the tempo bpm, not journey_bpm; without a tempo the two durations", "dream"
    )
    strength: float = number(
        1.0, 0.0, 3.0, 0.1, "×", "how much of the dream is laid over the camera", "picture"
    )
    restraint: float = number(
        0.5,
        0.0,
        1.0,
        0.1,
        "",
        "how far the dream's colours are held back where the camera has none, on skin, in the dark and near"
        " white",
        "picture",
    )
    mix: str = choice(
        "over",
        "the dream over the sharp camera image, the dream alone, only its luminance, or a drawing in ink",
        "picture",
        ("over", "dream", "luminance", "ink"),
    )
    mask: str = choice(
        "everywhere",
        "dream everywhere, where something moves, on visitors, or on the background behind them",
        "picture",
        ("everywhere", "moving", "visitor", "background"),
    )
    vignette: float = number(
        0.0,
        -1.0,
        1.0,
        0.1,
        "",
        "above 0 the dream fades towards the corners, below 0 towards the centre",
        "picture",
    )
    mirror: bool = choice(True, "swap left and right, as in a mirror", "show", scope="place", used_by=ALL)
    fit: str = choice(
        "fill",
        "fill the screen and crop the camera, or contain the whole camera image",
        "show",
        ("fill", "contain"),
        scope="place",
        used_by=LIVE,
    )
    rotate: int = choice(
        0,
        "rotate the picture clockwise, in degrees, for a rotated screen",
        "show",
        (0, 90, 180, 270),
        scope="place",
        used_by=LIVE,
    )
    captions: bool = choice(
        False,
        "tell visitors which words are dreamt, and what is recognised",
        "show",
        scope="place",
        used_by=LIVE,
    )
    show_values: bool = choice(
        True,
        "show each value that a control sets in large type for a moment",
        "show",
        scope="place",
        used_by=LIVE,
    )
    freeze: bool = choice(False, "hold the picture", "show", scope="person", used_by=LIVE)
    blackout: bool = choice(False, "show black", "show", scope="person", used_by=LIVE)
    bpm: float = number(
        0.0,
        0.0,
        300.0,
        1.0,
        "beats/min",
        "tempo of the music, as tapped, told by MIDI clock or set; 0: none",
        "show",
        scope="person",
        used_by=LIVE,
    )
    modulation: bool = choice(
        True,
        "let LFOs, the beat, sound and visitors move settings, as the scene says",
        "show",
        scope="person",
        used_by=LIVE,
    )
    attract_after_s: float = number(
        20.0,
        0.0,
        3600.0,
        5.0,
        "s",
        "seconds without a visitor before the attract scene starts; 0 = never",
        "show",
        scope="place",
        used_by=LIVE,
        curve="log",
    )
    journey_for_visitors: bool = choice(
        False,
        "travel through the layers for as long as somebody is there",
        "show",
        scope="place",
        used_by=LIVE,
    )
    detect_visitors_in: str = choice(
        "live",
        "detect visitors only in cameras and streams, or in any source",
        "show",
        ("live", "any"),
        scope="place",
        used_by=LIVE,
    )

    def __post_init__(self) -> None:
        for spec in SPECS.values():
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))

    @property
    def by_words(self) -> bool:
        """Whether words may say what is dreamt."""
        return any(getattr(self, name) for name in WORD_SETTINGS)

    def replace(self, **changes: Any) -> Settings:
        """A copy with some settings changed. Raises ``UsageError`` for unknown names and values."""
        checked = {name: spec_of(name).check(value) for name, value in changes.items()}
        # Not dataclasses.replace: faders ask hundreds of times a second, and what stays has been checked.
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **checked)
        return copy

    def differences(self, other: Settings) -> tuple[str, ...]:
        """The names of the settings that ``other`` has otherwise."""
        theirs = other.__dict__
        return tuple(n for n, value in self.__dict__.items() if value is not theirs[n] and value != theirs[n])

    def as_dict(self) -> dict[str, Any]:
        """All settings by name; JSON-able."""
        return {name: getattr(self, name) for name in SPECS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """The opposite of :meth:`as_dict`; missing names keep their defaults. Raises ``UsageError``."""
        return cls().replace(**values)


def _specs() -> dict[str, Spec]:
    kinds: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str}
    inherited = [f.name for f in dataclasses.fields(ProjectionSettings)]  # which a reader wants last
    return {
        f.name: Spec(name=f.name, kind=kinds[str(f.type)], default=f.default, **f.metadata)
        for f in sorted(dataclasses.fields(Settings), key=lambda f: f.name in inherited)
    }


#: Every setting by name, in the order of the documentation.
SPECS: dict[str, Spec] = _specs()


def spec_of(name: str) -> Spec:
    """The spec of a setting. Raises ``UsageError`` for an unknown name."""
    if name not in SPECS:
        raise UsageError(f"unknown setting {quoted(name)}; possible: {', '.join(SPECS)}")
    return SPECS[name]


def parse_assignment(text: str) -> dict[str, Any]:
    """``"steps=3"`` as ``{"steps": 3}``. Raises ``UsageError``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set wants NAME=VALUE, found {quoted(text)}; for example --set steps=3")
    name = name.strip().replace("-", "_")
    return {name: spec_of(name).parse(value)}


def settings_table() -> str:
    """The documentation's Markdown table of all settings."""
    rows = ["| setting | default | possible | what it does |", "| --- | --- | --- | --- |"]
    for spec in SPECS.values():
        rows.append(f"| `{spec.name}` | {spec.word(spec.default)} | {spec.possible} | {spec.help} |")
    return "\n".join(rows)
