"""The head-up display: the state of the mirror in type that is legible from two metres.

``render_hud`` and ``render_help`` are pure functions; :class:`Hud` decides what is shown when, and redraws
only what has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from livedream.frame import Array
from livedream.stage.reading import Reading, draw_reading

_SHOWN_S = 6.0  # long enough to read the plate after the start
_READING_S = 1.2  # an audience sees it, too
#: The opacity of a reading as it goes, and for how long each.
_FADING, _FADING_S = (0.7, 0.4, 0.15), 0.08
_ALARM_S = 15.0
#: Long enough to scan and to type it; whoever reads it may control the mirror.
_ADDRESS_S = 60.0
_HELP_S = 60.0  # a forgotten help screen must not stay up in an exhibition
_REDRAW_S = 0.5  # measured values that change faster cannot be read
_UNKNOWN = "–"
_LEAST_SHARE, _MOST_WORDS = 0.05, 3

Size = tuple[int, int]  # (width, height) in pixels

#: The cells of the plate in order, each with the widest value it has room for: so no value moves another. In
#: this order wide cells share columns on a wide screen, which saves a row.
WIDEST = {
    "display": "000 fps",
    "dream": "000 fps",
    "latency": "0000 ms",
    "strength": "0.0",
    "channels": "1-511/5",
    "scene": "menagerie",
    "presence": "0.0",
    "mix": "luminance",
    "mask": "background",
    "vignette": "-0.0",
    "attract": "on",
    "faults": "00",
}


@dataclass(frozen=True)
class HudState:
    """What the information plate shows. Empty and zero mean "unknown".

    ``layer_words`` say what the layer sees, ``layer_channels`` and ``layer_stride`` (working-size pixels per
    cell) describe it; ``channels`` is empty for all of them. ``words`` are those that are dreamt, with their
    shares; ``recognised`` those that the camera's image shows, with probabilities; the largest first. With
    ``captions`` visitors are told so without the plate. ``latency_ms`` is from capture to flip,
    ``interval_ms`` (median, 99th percentile) from flip to flip, ``working_size`` (width, height);
    ``governed`` is whether the governor chose it, and steps and octaves with it. ``renderer`` is ``cpu`` or
    ``gl``. ``room`` says where the dream is made, empty where no room is wanted. ``recording_s`` is how long
    the recording has been running, None without one. ``faults`` counts what ``fault_text`` names.
    ``presence`` (0..1) is None while visitors are not detected.
    """

    network: str = ""
    layer: str = ""
    layer_words: str = ""
    layer_channels: int = 0
    layer_stride: int = 0
    channels: str = ""
    words: tuple[tuple[str, float], ...] = ()
    recognised: tuple[tuple[str, float], ...] = ()
    captions: bool = False
    backend: str = ""
    source: str = ""
    room: str = ""
    display_fps: float = 0.0
    dream_fps: float = 0.0
    latency_ms: float = 0.0
    interval_ms: tuple[float, float] = (0.0, 0.0)
    renderer: str = ""
    steps: int = 0
    octaves: int = 0
    working_size: Size = (0, 0)
    governed: bool = False
    strength: float = 1.0
    faults: int = 0
    fault_text: str = ""
    recording_s: float | None = None
    mix: str = ""
    mask: str = ""
    vignette: float = 0.0
    scene: str = ""
    cue: str = ""
    presence: float | None = None
    attract: bool = False

    def lines(self) -> tuple[str, ...]:
        """The layer and words; the network and the layer's shape; what is dreamt at, and the cue; backend,
        source and pictures; and where a room is to dream, that."""
        shape = [self.network or _UNKNOWN]
        shape += [self.layer] if self.layer_words not in ("", self.layer) else []
        shape += [f"{self.layer_channels} channels"] if self.layer_channels else []
        shape += [f"stride {self.layer_stride}"] if self.layer_stride else []
        return (
            _dotted([self.layer_words or self.layer or _UNKNOWN, shares_text(self.words)]),
            _dotted(shape),
            _dotted([self._dreamt_at(), self.cue]),
            _dotted([self.backend or _UNKNOWN, self.source or _UNKNOWN, self.pictures()]),
            *([self.room] if self.room else []),
        )

    def _dreamt_at(self) -> str:
        width, height = self.working_size
        words = [f"size {width}x{height}" if width else f"size {_UNKNOWN}", _counted(self.steps, "step")]
        words += [_counted(self.octaves, "octave")] if self.octaves else []
        return _dotted(words) + (" (auto)" if self.governed else "")

    def caption(self) -> str:
        """What the mirror recognises, or dreams of by words, for visitors; an empty string without either."""
        if self.recognised:
            return f"I see: {_percentages(self.recognised)}"
        return f"I dream of {words}" if (words := shares_text(self.words)) else ""

    def pictures(self) -> str:
        """How regularly pictures come, and what makes them; an empty string before there are any."""
        usual, longest = self.interval_ms
        if not usual:
            return self.renderer
        return f"a picture every {usual:.0f} to {longest:.0f} ms ({self.renderer})"

    def cells(self) -> tuple[tuple[str, str], ...]:
        """(label, value) of each cell of :data:`WIDEST`, in that order; an unknown value is a dash."""
        cells = {
            "display": f"{self.display_fps:.0f} fps" if self.display_fps else "",
            "dream": f"{self.dream_fps:.0f} fps" if self.dream_fps else "",
            "latency": f"{self.latency_ms:.0f} ms" if self.latency_ms else "",
            "strength": f"{self.strength:.1f}",
            "channels": self.channels or "all",
            "mix": self.mix,
            "mask": self.mask,
            "vignette": f"{self.vignette:.1f}" if self.vignette else "",
            "scene": self.scene,
            "presence": "" if self.presence is None else f"{self.presence:.1f}",
            "attract": "on" if self.attract else "",
            "faults": str(self.faults or ""),
        }
        return tuple((label, cells[label] or _UNKNOWN) for label in WIDEST)

    def clock(self) -> str:
        """How long the recording has been running (``1:05``), or an empty string."""
        if self.recording_s is None:
            return ""
        return f"{int(self.recording_s) // 60}:{int(self.recording_s) % 60:02d}"


def shares_text(words: Sequence[tuple[str, float]]) -> str:
    """The words that are dreamt: ``castle``, or ``castle 70 %, daisy 30 %``; none of a share below 5 %."""
    shown = [(word, share) for word, share in words if share >= _LEAST_SHARE][:_MOST_WORDS]
    alone = len(shown) == 1 and shown[0][1] > 1 - _LEAST_SHARE
    return shown[0][0] if alone else _percentages(shown)


def _percentages(words: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{word} {share * 100:.0f} %" for word, share in words)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _dotted(words: Sequence[str]) -> str:
    return "  ·  ".join(filter(None, words))


class Hud:
    """Decides what to overlay and when: a reading, the information plate, a message, the help.

    The plate shows for a few seconds after the start; :meth:`toggle_pin` shows and keeps it.
    Every ``now`` is in seconds of the same clock; ``help_rows`` are (keys, what they do).
    """

    def __init__(self, now: float, *, help_rows: Sequence[tuple[str, str]] = ()) -> None:
        self.pinned = False
        self._help_rows = tuple(help_rows)
        self._until = now + _SHOWN_S
        self._help_until = self._message_until = self._address_until = now
        self._address = ""
        self._message, self._alarm = "", False
        self._reading: Reading | None = None
        self._reading_until = now
        self._overlay: Array | None = None
        self._shown: tuple[Any, ...] = ()
        self._values: tuple[Any, ...] = ()
        self._values_until = now

    def read(self, reading: Reading, now: float) -> None:
        """Show what a control has just set, in large type for a moment."""
        self._reading, self._reading_until = reading, now + _READING_S
        self._values_until = now

    def reading(self, now: float) -> tuple[Reading | None, float]:
        """The reading that shows, and its opacity, 0..1."""
        if self._reading is None or now < self._reading_until:
            return self._reading, 1.0
        step = int((now - self._reading_until) / _FADING_S)
        if step < len(_FADING):
            return self._reading, _FADING[step]
        self._reading = None
        return None, 0.0

    def say(self, text: str, now: float, *, alarm: bool = False) -> None:
        """Show a message for a while; an ``alarm`` stays longer and has another colour."""
        self._message, self._alarm = text, alarm
        self._message_until = now + (_ALARM_S if alarm else _SHOWN_S)

    def alarm(self, now: float) -> str:
        """The alarm that is showing, or an empty string."""
        return self._message if self._alarm and now < self._message_until else ""

    def unsay(self, text: str, now: float) -> None:
        """Remove a message that no longer holds, if it is still showing; an alarm stays."""
        if text == self._message and not self._alarm:
            self._message_until = now

    def toggle_pin(self, now: float) -> None:
        """Pin the plate, or hide it if it is showing."""
        self.pinned = not (self.pinned or now < self._until)
        self._until = now

    def toggle_help(self, now: float) -> None:
        """Show the help screen, or hide it."""
        self._help_until = now if now < self._help_until else now + _HELP_S

    def toggle_address(self, address: str, now: float) -> None:
        """Show the address of the control page and its code for a while, or hide it."""
        self._address = address
        self._address_until = now if now < self._address_until else now + _ADDRESS_S

    def overlay(self, state: HudState, size: Size, now: float) -> Array | None:
        """The overlay for a picture of ``size``: RGBA uint8 (H, W, 4), or None for nothing.

        Returns the same array until something changes.
        """
        help = now < self._help_until
        address = self._address if now < self._address_until else ""
        plate = self.pinned or now < self._until
        message = self._message if now < self._message_until else ""
        caption = state.caption() if (state.captions or (plate and state.recognised)) and not message else ""
        reading = self.reading(now)
        shown = (size, help, address, plate, message, bool(caption), self._alarm, state.clock(), reading)
        values = (caption, *((state.lines(), state.cells(), state.fault_text) if plate else ()))
        if shown == self._shown and (values == self._values or now < self._values_until):
            return self._overlay
        self._shown, self._values, self._values_until = shown, values, now + _REDRAW_S
        if help:
            self._overlay = render_help(self._help_rows, size)
        elif address:
            self._overlay = render_address(address, size)
        elif plate or message or caption or state.clock() or reading[0]:
            alarm, text = self._alarm and bool(message), message or caption
            self._overlay = render_hud(state, size, plate=plate, message=text, alarm=alarm, reading=reading)
        else:
            self._overlay = None
        return self._overlay


def render_hud(
    state: HudState,
    size: Size,
    *,
    plate: bool = True,
    message: str = "",
    alarm: bool = False,
    reading: tuple[Reading | None, float] = (None, 0.0),
) -> Array:
    """The information plate, a message above it, the recording mark, and a reading with its opacity.

    RGBA uint8 (H, W, 4).
    """
    from PIL import Image as Pillow

    from livedream.stage import hud_drawing

    canvas = Pillow.new("RGBA", size)
    found, opacity = reading
    floor, corner = size[1], (0, 0)
    if plate:
        floor = hud_drawing.draw_information(canvas, state.lines(), state.cells(), WIDEST, state.fault_text)
    if state.clock():
        corner = hud_drawing.draw_recording_mark(canvas, state.clock())
    box = (0, 0, 0, 0)
    if found is not None:
        box = draw_reading(canvas, found, floor=floor if plate or message else None, corner=corner)
    if message:
        hud_drawing.draw_message(canvas, message, floor, alarm=alarm, ceiling=box[3])
    if found is None:
        return np.asarray(canvas)
    left, top, right, bottom = box
    overlay = np.array(canvas)
    if opacity < 1:
        alphas = overlay[max(0, top) : bottom, max(0, left) : right, 3]
        alphas[:] = (alphas * opacity).astype(np.uint8)
    return overlay


def render_address(address: str, size: Size) -> Array:
    """The address of the control page, in type and as a code to scan: RGBA uint8 (H, W, 4)."""
    from PIL import Image as Pillow

    from livedream.stage.address import draw_address

    canvas = Pillow.new("RGBA", size)
    draw_address(canvas, address)
    return np.asarray(canvas)


def render_help(rows: Sequence[tuple[str, str]], size: Size) -> Array:
    """The help screen: RGBA uint8 (H, W, 4). ``rows`` are (keys, what they do), keys separated by spaces."""
    from PIL import Image as Pillow

    from livedream.stage import hud_drawing

    canvas = Pillow.new("RGBA", size)
    hud_drawing.draw_help(canvas, rows)
    return np.asarray(canvas)
