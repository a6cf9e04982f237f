"""What a control has just set, in type that is read at a glance: a name, a value, its place in its range."""

from __future__ import annotations

from dataclasses import dataclass

from PIL.Image import Image

from livedream.stage.lettering import Colour, draw_plate, draw_text, shorten, text_width

_VALUE, _LABEL, _NOTE = 0.105, 0.036, 0.036
_MARGIN, _PAD = 0.05, 0.03
_BAR, _LEAST_WIDTH = 0.010, 0.42

_PLATE: Colour = (8, 10, 14, 190)
_TRACK: Colour = (92, 100, 114, 235)
_WHITE: Colour = (255, 255, 255, 255)
_DIM: Colour = (206, 213, 224, 255)
_ACCENT: Colour = (255, 206, 112, 255)


@dataclass(frozen=True)
class Reading:
    """A setting and its value, in words. ``unit`` is its position in its range, 0..1, None without one.

    ``note`` is a remark below it: why nothing has changed, say.
    """

    label: str
    value: str
    unit: float | None = None
    note: str = ""


def draw_reading(
    canvas: Image, reading: Reading, *, floor: int | None = None, corner: tuple[int, int] = (0, 0)
) -> tuple[int, int, int, int]:
    """Draw a reading in the middle at the bottom; its box in pixels.

    With ``floor``, the height down to which the picture is free, it is drawn at the top, as large as fits
    there, clear of the upper right ``corner``: what it measures, (width, height) in pixels.
    """
    short = min(canvas.size)
    if floor is not None:
        tall = 2 * _PAD + _LABEL * 1.3 + _VALUE * 1.1 + 2 * _MARGIN
        tall += (_BAR + _PAD if reading.unit is not None else 0) + (_NOTE * 1.5 if reading.note else 0)
        short = max(min(short, round(floor / tall)), short // 2)
    value_px, label_px, note_px, margin, pad, bar, least = (
        max(1, round(short * part)) for part in (_VALUE, _LABEL, _NOTE, _MARGIN, _PAD, _BAR, _LEAST_WIDTH)
    )
    beside, under = (0, corner[1]) if canvas.height > canvas.width else (corner[0], 0)
    room = canvas.width - 2 * (max(margin, beside) + pad)
    while value_px > label_px and text_width(reading.value, value_px) > room:
        value_px -= max(1, value_px // 12)
    value = shorten(reading.value, value_px, room)
    label, note = shorten(reading.label, label_px, room), shorten(reading.note, note_px, room)
    inner = min(
        room, max(least, text_width(value, value_px), *(text_width(t, label_px) for t in (label, note)))
    )
    height = 2 * pad + round(label_px * 1.3 + value_px * 1.1)
    height += bar + pad if reading.unit is not None else 0
    height += round(note_px * 1.5) if note else 0
    left = (canvas.width - inner) // 2 - pad
    top = canvas.height - margin - height if floor is None else max(margin, under)
    box = (left, top, left + inner + 2 * pad, top + height)
    draw_plate(canvas, box, pad, _PLATE)
    middle, y = canvas.width // 2, top + pad
    draw_text(canvas, (middle, y + round(label_px * 0.6)), label, label_px, _DIM, "mm")
    y += round(label_px * 1.3)
    draw_text(canvas, (middle, y + round(value_px * 0.55)), value, value_px, _WHITE, "mm")
    y += round(value_px * 1.1)
    if reading.unit is not None:
        y += pad // 2
        at = left + pad + max(bar, round(inner * min(1.0, max(0.0, reading.unit))))
        draw_plate(canvas, (left + pad, y, left + pad + inner, y + bar), bar // 2, _TRACK)
        draw_plate(canvas, (left + pad, y, at, y + bar), bar // 2, _ACCENT)
        y += bar + pad // 2
    if note:
        draw_text(canvas, (middle, y + round(note_px * 0.75)), note, note_px, _ACCENT, "mm")
    return box
