"""Test patterns, to put a projector's picture in its place: RGB uint8 (H, W, 3), drawn once.

All of them have the numbers of the corners, as the keys have them, and a frame of one pixel at the very edge.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from livedream.frame import Image

Size = tuple[int, int]  # (width, height) in pixels
Colour = tuple[int, int, int]

_WHITE: Colour = (255, 255, 255)
_GREY: Colour = (96, 96, 96)
_ACCENT: Colour = (255, 206, 112)
#: Of the bars: white, yellow, cyan, green, magenta, red, blue.
_BARS: tuple[Colour, ...] = (
    *((255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0)),
    *((255, 0, 255), (255, 0, 0), (0, 0, 255)),
)
#: Skin from light to dark, as six people have it.
_SKIN: tuple[Colour, ...] = (
    *((244, 218, 196), (224, 184, 150), (198, 148, 110)),
    *((160, 110, 76), (112, 74, 50), (70, 46, 34)),
)
#: Squares of the grid along the shorter side.
_SQUARES = 9


def draw_pattern(name: str, size: Size) -> Image:
    """The test pattern ``name`` (``grid``, ``face``, ``bars`` or ``white``) for a screen of ``size``."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    _DRAW[name](image)
    if name != "white":
        _frame(image)
    return image


def _white(image: Image) -> None:
    image[:] = 255


def _grid(image: Image) -> None:
    """Squares, diagonals and circles: lines bend where the wall does, and circles are round where it fits."""
    height, width = image.shape[:2]
    side = float(min(width, height)) / _SQUARES
    line = _line(image)
    for n in range(-int(width / 2 / side), int(width / 2 / side) + 1):
        x = round(width / 2 + n * side)
        cv2.line(image, (x, 0), (x, height), _GREY if n else _WHITE, line)
    for n in range(-int(height / 2 / side), int(height / 2 / side) + 1):
        y = round(height / 2 + n * side)
        cv2.line(image, (0, y), (width, y), _GREY if n else _WHITE, line)
    cv2.line(image, (0, 0), (width, height), _GREY, line, cv2.LINE_AA)
    cv2.line(image, (0, height), (width, 0), _GREY, line, cv2.LINE_AA)
    middle = (width // 2, height // 2)
    cv2.circle(image, middle, round(side * 4), _ACCENT, 2 * line, cv2.LINE_AA)
    cv2.circle(image, middle, round(side), _ACCENT, line, cv2.LINE_AA)
    for x in (round(side * 1.5), width - round(side * 1.5)):
        for y in (round(side * 1.5), height - round(side * 1.5)):
            cv2.circle(image, (x, y), round(side), _ACCENT, line, cv2.LINE_AA)


def _face(image: Image) -> None:
    """A face of natural proportions: what visitors notice first when a picture is too wide or too narrow."""
    height, width = image.shape[:2]
    image[:] = (40, 44, 52)
    head = round(min(width, height) * 0.36)  # half its height; a head is three quarters as wide
    x, y = width // 2, round(height * 0.47)

    def oval(dx: float, dy: float, across: float, down: float, colour: Colour) -> None:
        centre = (round(x + dx * head), round(y + dy * head))
        axes = (max(1, round(across * head)), max(1, round(down * head)))
        cv2.ellipse(image, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    skin, shade, hair = _SKIN[2], (166, 118, 84), (58, 40, 30)
    oval(0, 1.45, 1.25, 0.62, (74, 92, 120))  # shoulders
    oval(0, 0.95, 0.32, 0.5, shade)
    oval(0, -0.12, 0.8, 1.02, hair)
    for side in (-1, 1):
        oval(side * 0.75, 0.05, 0.1, 0.2, shade)
    oval(0, 0.0, 0.73, 1.0, skin)
    oval(0, -0.82, 0.56, 0.26, hair)
    for side in (-1, 1):
        oval(side * 0.3, -0.2, 0.19, 0.035, hair)
        oval(side * 0.3, -0.04, 0.15, 0.085, _WHITE)
        oval(side * 0.3, -0.04, 0.075, 0.08, (84, 110, 78))
        oval(side * 0.3, -0.04, 0.035, 0.037, (12, 12, 12))
        oval(side * 0.46, 0.28, 0.14, 0.09, (206, 140, 108))
        oval(side * 0.07, 0.29, 0.035, 0.025, shade)
    oval(0, 0.2, 0.06, 0.13, (206, 158, 120))
    oval(0, 0.55, 0.25, 0.055, (150, 66, 62))
    oval(0, 0.58, 0.2, 0.05, (182, 88, 82))
    _steps(image, 0.9, 0.97, _SKIN)
    cv2.circle(image, (x, y), round(head * 1.12), _ACCENT, _line(image), cv2.LINE_AA)


def _bars(image: Image) -> None:
    """Colours, the greys from black to white, and the darkest and lightest of them."""
    _steps(image, 0.0, 0.6, _BARS, 0.0)
    greys = tuple(round(255 * n / 10) for n in range(11))
    near = (0, 4, 8, 13, 20, 235, 242, 247, 251, 255)
    _steps(image, 0.6, 0.8, tuple((n, n, n) for n in greys), 0.0)
    _steps(image, 0.8, 1.0, tuple((n, n, n) for n in near), 0.0)


def _steps(
    image: Image, top: float, bottom: float, colours: tuple[Colour, ...], margin: float = 0.25
) -> None:
    """Fields of colours in a row, between two heights and two margins (fractions of the picture)."""
    height, width = image.shape[:2]
    edges = np.rint(np.linspace(width * margin, width * (1 - margin), len(colours) + 1)).astype(int)
    for left, right, colour in zip(edges, edges[1:], colours, strict=False):
        image[round(height * top) : round(height * bottom), left:right] = colour


def _frame(image: Image) -> None:
    """The outermost pixels, and the corners' numbers on plates."""
    from PIL import Image as Pillow

    from livedream.stage.lettering import draw_plate, draw_text

    height, width = image.shape[:2]
    image[[0, -1]] = _WHITE
    image[:, [0, -1]] = _WHITE
    canvas = Pillow.fromarray(image)
    side, inset = (round(min(width, height) * part) for part in (0.09, 0.028))
    places = ((0, 0), (1, 0), (1, 1), (0, 1))
    for n, (right, low) in enumerate(places, 1):
        left = width - inset - side if right else inset
        top = height - inset - side if low else inset
        draw_plate(canvas, (left, top, left + side, top + side), side // 5, (*_ACCENT, 255))
        draw_text(
            canvas, (left + side // 2, top + side // 2), str(n), round(side * 0.8), (8, 10, 14, 255), "mm"
        )
    image[:] = np.asarray(canvas)


def _line(image: Image) -> int:
    """A line's thickness in pixels: 2 in HD."""
    return int(max(1, round(min(image.shape[:2]) / 540)))


_DRAW: dict[str, Callable[[Image], None]] = {"grid": _grid, "face": _face, "bars": _bars, "white": _white}
