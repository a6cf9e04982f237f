"""The look of the head-up display: each function draws one part on a Pillow canvas of the screen's size.

All sizes are fractions of the screen's shorter side, in any orientation. To be legible from two metres, a
capital should be 9 mm high (16 minutes of arc): 3 % of a 24-inch screen's height, which is type of 4.3 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PIL.Image import Image

from livedream.stage.lettering import Colour, draw_arrow, draw_plate, draw_text, shorten, text_width, wrap

_TITLE, _VALUE, _TEXT, _LABEL = 0.07, 0.046, 0.043, 0.032
_MARGIN, _PAD = 0.035, 0.03

_PLATE: Colour = (8, 10, 14, 204)
_HELP_PLATE: Colour = (8, 10, 14, 218)
_CAP: Colour = (66, 72, 84, 235)
_WHITE: Colour = (255, 255, 255, 255)
_DIM: Colour = (190, 198, 210, 255)
_ACCENT: Colour = (255, 206, 112, 255)
_ALARM: Colour = (255, 128, 104, 255)
_RECORDING: Colour = (255, 64, 48, 255)


def _px(canvas: Image, *fractions: float) -> list[int]:
    return [max(1, round(min(canvas.size) * fraction)) for fraction in fractions]


def draw_information(
    canvas: Image,
    lines: Sequence[str],
    cells: Sequence[tuple[str, str]],
    widest: Mapping[str, str],
    fault_text: str = "",
) -> int:
    """The information plate at the bottom: up to five lines of text, then the cells (label, value) in a grid.

    ``widest`` maps each label to the widest value its cell has room for; a wider one is shortened. The grid
    depends on that alone, so it stays the same when values change. ``fault_text`` comes on top, where it
    moves nothing else. Returns the top of the plate in pixels.
    """
    title_px, value_px, text_px, label_px, margin, pad = _px(
        canvas, _TITLE, _VALUE, _TEXT, _LABEL, _MARGIN, _PAD
    )
    inner = canvas.width - 2 * (margin + pad)
    sizes, colours = (title_px, text_px, label_px, label_px, label_px), (_ACCENT, _WHITE, _DIM, _DIM, _DIM)
    styles = zip(lines, sizes, colours, strict=False)  # the last is not always there
    styled = [(fault_text, label_px, _ALARM), *styles]
    rows = [(shorten(text, px, inner), px, colour) for text, px, colour in styled if text]
    room = [max(text_width(label, label_px), text_width(widest[label], value_px)) for label, _ in cells]
    gap = round(pad * 1.4)
    columns = _columns(room, gap, inner)
    cell_rows = math.ceil(len(cells) / len(columns))
    cell_height = round(label_px * 1.5 + value_px * 1.35)

    height = round(sum(px * 1.4 for _, px, _ in rows)) + cell_rows * cell_height + 2 * pad
    grid_width = sum(columns) + gap * (len(columns) - 1)
    width = max(grid_width, *(text_width(text, px) for text, px, _ in rows)) + 2 * pad
    top = canvas.height - margin - height
    draw_plate(canvas, (margin, top, margin + width, top + height), pad, _PLATE)
    x, y = margin + pad, top + pad
    for text, px, colour in rows:
        draw_text(canvas, (x, y + round(px * 0.8)), text, px, colour)
        y += round(px * 1.4)
    for i, (label, value) in enumerate(cells):
        row, column = divmod(i, len(columns))
        left = x + sum(columns[:column]) + gap * column
        base = y + row * cell_height + round(label_px * 1.2)
        alarming = label == "faults" and value.isdecimal()
        draw_text(canvas, (left, base), label, label_px, _ALARM if alarming else _DIM)
        value = shorten(value, value_px, columns[column])
        draw_text(canvas, (left, base + round(value_px * 1.15)), value, value_px, _WHITE)
    return top


def _columns(room: Sequence[int], gap: int, width: int) -> list[int]:
    """The widths of as few rows' columns as fit into ``width``, for cells that need ``room`` each."""
    for rows in range(1, len(room) + 1):
        count = math.ceil(len(room) / rows)
        columns = [max(room[i::count]) for i in range(count)]
        if sum(columns) + gap * (count - 1) <= width:
            return columns
    return [width]


def draw_message(canvas: Image, message: str, above_px: int, *, alarm: bool, ceiling: int = 0) -> None:
    """A message of at most four lines on its own plate, whose bottom is above ``above_px``.

    One that would rise above ``ceiling`` is left out: a reading is there, and soon gone.
    """
    text_px, margin, pad = _px(canvas, _TEXT, _MARGIN, _PAD)
    lines = wrap(message, text_px, canvas.width - 2 * (margin + pad), 4)
    line_height = round(text_px * 1.35)
    bottom = above_px - (margin if above_px == canvas.height else margin // 2)
    top = bottom - line_height * len(lines) - pad
    if ceiling and top < ceiling:
        return
    width = max(text_width(line, text_px) for line in lines) + 2 * pad
    draw_plate(canvas, (margin, top, margin + width, bottom), pad, _PLATE)
    for i, line in enumerate(lines):
        y = top + pad // 2 + line_height * i + line_height // 2
        draw_text(canvas, (margin + pad, y), line, text_px, _ALARM if alarm else _WHITE, "lm")


def draw_recording_mark(canvas: Image, clock: str) -> tuple[int, int]:
    """A red dot and the recording time in the upper right corner; that corner's (width, height) in pixels."""
    text_px, margin, pad, dot = _px(canvas, _TEXT, _MARGIN, _PAD, 0.024)
    height = round(text_px * 1.7)
    right = canvas.width - margin
    left = right - 2 * pad - 2 * dot - text_width(clock, text_px)
    draw_plate(canvas, (left, margin, right, margin + height), pad, _PLATE)
    x, middle = left + pad, margin + height // 2
    draw_plate(canvas, (x, middle - dot // 2, x + dot, middle - dot // 2 + dot), dot, _RECORDING)
    draw_text(canvas, (x + 2 * dot, middle), clock, text_px, _WHITE, "lm")
    return canvas.width - left + margin // 2, margin + height + margin // 2


def draw_help(canvas: Image, rows: Sequence[tuple[str, str]]) -> None:
    """The help screen, as large as fits: two columns in landscape, one in portrait."""
    canvas.paste(_HELP_PLATE, (0, 0, *canvas.size))
    title_px, text_px, margin = _px(canvas, _TITLE, _TEXT, 0.05)
    columns = 2 if canvas.width > canvas.height else 1
    per_column = max(1, math.ceil(len(rows) / columns))
    top = margin + round(title_px * 1.5)
    row_height = (canvas.height - top - margin) // per_column
    column_width = (canvas.width - margin) // columns
    text_px = max(4, min(text_px, round(row_height * 0.6)))
    while text_px > 8 and _row_width(rows, text_px) > column_width - margin:
        text_px -= 1
    keys_width = max((_keys_width(keys, text_px) for keys, _ in rows), default=0)

    draw_text(canvas, (margin, margin + round(title_px * 0.75)), "keys", title_px, _ACCENT)
    for i, (keys, text) in enumerate(rows):
        x = margin + i // per_column * column_width
        middle = top + i % per_column * row_height + row_height // 2
        _draw_keys(canvas, (x, middle), keys, text_px)
        draw_text(canvas, (x + keys_width + text_px // 2, middle), text, text_px, _WHITE, "lm")


def _row_width(rows: Sequence[tuple[str, str]], text_px: int) -> int:
    keys_width = max(_keys_width(keys, text_px) for keys, _ in rows)
    return keys_width + text_px // 2 + max(text_width(text, text_px) for _, text in rows)


def _cap_width(word: str, text_px: int) -> int:
    if word == "–":
        return text_px
    return max(round(text_px * 1.5), text_width(word, text_px) + text_px)


def _keys_width(keys: str, text_px: int) -> int:
    return sum(_cap_width(word, text_px) + text_px // 4 for word in keys.split())


def _draw_keys(canvas: Image, xy: tuple[int, int], keys: str, text_px: int) -> None:
    """Key caps in a row, with ``xy`` the middle of the left edge; a dash has no cap."""
    x, middle = xy
    half = round(text_px * 0.74)
    for word in keys.split():
        width = _cap_width(word, text_px)
        centre = (x + width // 2, middle)
        if word != "–":
            draw_plate(canvas, (x, middle - half, x + width, middle + half), round(text_px * 0.3), _CAP)
        if word in "←→↑↓":
            draw_arrow(canvas, centre, word, text_px, _WHITE)
        else:
            draw_text(canvas, centre, word, text_px, _WHITE, "mm")
        x += width + text_px // 4
