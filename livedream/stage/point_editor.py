"""What is laid over the picture while a corner or a point of the mesh is being moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livedream.corners import CORNER_NAMES, corners_of, mesh_of, point_name
from livedream.frame import Array
from livedream.settings import Settings
from livedream.stage.lettering import Colour, draw_plate, draw_text, text_width, wrap
from livedream.stage.projection import Projection
from livedream.stage.scene import Size

_PLATE: Colour = (8, 10, 14, 204)
_WHITE: Colour = (255, 255, 255, 255)
_DIM: Colour = (190, 198, 210, 255)
_ACCENT: Colour = (255, 206, 112, 255)
_ALARM: Colour = (255, 128, 104, 255)
#: Fractions of the screen's shorter side, as in :mod:`livedream.stage.hud_drawing`.
_TITLE, _TEXT, _MARK = 0.055, 0.036, 0.05


class PointEditor:
    """Draws the points that can be moved, and says which one is. ``keys`` is what is said of the keys.

    Nothing of it is warped: it can be read wherever the picture is.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        self._shown: tuple[object, ...] = ()
        self._overlay: Array | None = None

    def overlay(self, settings: Settings, size: Size, alarm: str = "") -> Array | None:
        """RGBA uint8 (H, W, 4) for a screen of ``size`` (w, h), None while no point is being moved.

        The same array until something changes; ``alarm`` is said beside it.
        """
        if not settings.edit_point:
            self._shown, self._overlay = (), None
            return None
        shown = (settings.edit_point, settings.corners, settings.mesh, size, alarm)
        if shown != self._shown:
            self._shown, self._overlay = shown, self._draw(settings, size, alarm)
        return self._overlay

    def _draw(self, settings: Settings, size: Size, alarm: str) -> Array:
        from PIL import Image as Pillow

        canvas = Pillow.new("RGBA", size)
        title_px, text_px, mark_px = (max(4, round(min(size) * part)) for part in (_TITLE, _TEXT, _MARK))
        number = settings.edit_point
        x, y = _place(settings, number)
        lines = [(f"{point_name(number)}: {x:.2f}, {y:.2f} %", title_px, _ACCENT)]
        lines += [(text, text_px, _DIM) for text in self._keys]
        lines += [(text, text_px, _ALARM) for text in wrap(alarm, text_px, round(size[0] * 0.8), 3)]
        width = max(text_width(text, px) for text, px, _ in lines) + 2 * text_px
        height = round(sum(px * 1.4 for _, px, _ in lines)) + text_px
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        draw_plate(canvas, (left, top, left + width, top + height), text_px // 2, _PLATE)
        top += text_px // 2
        for text, px, colour in lines:
            draw_text(canvas, (left + text_px, top + round(px * 0.7)), text, px, colour, "lm")
            top += round(px * 1.4)
        for n, (across, down) in points_on_screen(settings).items():
            half = mark_px // 2 if n == number else mark_px // 3
            centre = round(across * size[0]), round(down * size[1])
            # A point at the edge of the screen has its mark inside.
            left = min(max(centre[0] - half, 0), size[0] - 2 * half)
            top = min(max(centre[1] - half, 0), size[1] - 2 * half)
            colour = _ACCENT if n == number else _PLATE
            draw_plate(canvas, (left, top, left + 2 * half, top + 2 * half), half, colour)
            label = str(n if n <= len(CORNER_NAMES) else n - len(CORNER_NAMES))
            ink = _PLATE if n == number else _WHITE
            draw_text(canvas, (left + half, top + half), label, max(4, half), (*ink[:3], 255), "mm")
        return np.asarray(canvas)


def _place(settings: Settings, number: int) -> tuple[float, float]:
    """Where a point is, as its setting has it, in %."""
    if number <= len(CORNER_NAMES):
        return corners_of(settings.corners)[number - 1]
    return mesh_of(settings.mesh)[number - 1 - len(CORNER_NAMES)]


def points_on_screen(settings: Settings) -> dict[int, tuple[float, float]]:
    """The corners, or while a point of the mesh is being moved those of the mesh: where each is shown, as
    fractions of the screen, by its number."""
    if settings.edit_point <= len(CORNER_NAMES):
        return {n: (x / 100, y / 100) for n, (x, y) in enumerate(corners_of(settings.corners), 1)}
    flat = np.stack(np.meshgrid(*[np.linspace(0, 1, 4)] * 2), -1).reshape(-1, 2)
    places = Projection(settings.corners, settings.mesh).where(flat)
    return {n: (float(x), float(y)) for n, (x, y) in enumerate(places, 1 + len(CORNER_NAMES))}
