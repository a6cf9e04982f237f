"""Text and plates for overlays, drawn with Pillow.

The typeface is Aileron, which comes with Pillow. Text with a character that it lacks (it has few accents) is
set in the FreeSans that comes with pygame, read as a file without starting SDL.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int, int]  # RGBA, 0 to 255
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=32)
def _face(size_px: int, wide: bool) -> Font:
    spec = find_spec("pygame") if wide else None
    if spec is None or spec.origin is None:
        return ImageFont.load_default(size_px)
    return ImageFont.truetype(Path(spec.origin).with_name("freesansbold.ttf"), round(size_px * 0.95))


@lru_cache(maxsize=512)
def _has(character: str) -> bool:
    font = _face(24, False)
    return character == " " or bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


def font_for(text: str, size_px: int) -> Font:
    """A font of ``size_px`` pixels with every character of ``text``, if there is one."""
    return _face(size_px, not all(map(_has, text)))


@lru_cache(maxsize=512)
def text_width(text: str, size_px: int) -> int:
    """The width of a line of text in pixels."""
    return round(font_for(text, size_px).getlength(text))


def wrap(text: str, size_px: int, width_px: int, lines: int) -> list[str]:
    """``text`` wrapped to at most ``lines`` lines of ``width_px``; the last is shortened if need be."""
    wrapped: list[str] = []
    rest = text.split()
    while rest and len(wrapped) < lines:
        count = len(rest)
        while count > 1 and text_width(" ".join(rest[:count]), size_px) > width_px:
            count -= 1
        if len(wrapped) == lines - 1:
            count = len(rest)
        wrapped.append(shorten(" ".join(rest[:count]), size_px, width_px))
        rest = rest[count:]
    return wrapped


def shorten(text: str, size_px: int, width_px: int) -> str:
    """``text``, or as much of its start as fits into ``width_px`` followed by ``...``."""
    if text_width(text, size_px) <= width_px:
        return text
    count = len(text)
    while count > 1 and text_width(text[:count] + "...", size_px) > width_px:
        count -= 1
    return text[:count].rstrip() + "..."


def draw_text(
    canvas: Image.Image, xy: tuple[int, int], text: str, size_px: int, colour: Colour, anchor: str = "ls"
) -> None:
    """Draw a line of text; by default ``xy`` is the left end of its baseline (``anchor`` as in Pillow)."""
    mask, left, top = _letters(text, size_px, anchor)
    canvas.paste(colour, (xy[0] + left, xy[1] + top), mask)


def draw_arrow(canvas: Image.Image, xy: tuple[int, int], arrow: str, size_px: int, colour: Colour) -> None:
    """Draw one of ``← → ↑ ↓`` centred at ``xy``; no font that is always present has them."""
    side = round(size_px * 0.62)
    quarter_turns = "→↑←↓".index(arrow)
    mask = _arrow(side).rotate(90 * quarter_turns)
    canvas.paste(colour, (xy[0] - side // 2, xy[1] - side // 2), mask)


def draw_plate(canvas: Image.Image, box: tuple[int, int, int, int], radius_px: int, colour: Colour) -> None:
    """Draw a filled rectangle (left, top, right, bottom) with rounded corners, replacing what is there."""
    left, top, right, bottom = box
    radius = min(radius_px, (right - left) // 2, (bottom - top) // 2)
    if radius < 1:  # too small for round corners
        canvas.paste(colour, (left, top, max(left, right), max(top, bottom)))
        return
    canvas.paste(colour, (left + radius, top, right - radius, bottom))
    canvas.paste(colour, (left, top + radius, right, bottom - radius))
    disc = _disc(radius)
    for x, disc_x in ((left, 0), (right - radius, radius)):
        for y, disc_y in ((top, 0), (bottom - radius, radius)):
            corner = disc.crop((disc_x, disc_y, disc_x + radius, disc_y + radius))
            canvas.paste(colour, (x, y), corner)


# Cached, because most of the text stays the same when one number changes, and drawing all of it takes 7 ms.
@lru_cache(maxsize=256)
def _letters(text: str, size_px: int, anchor: str) -> tuple[Image.Image, int, int]:
    """The coverage of a line of text, and the offset of its corner from the anchor."""
    font = font_for(text, size_px)
    left, top, right, bottom = (
        round(edge) for edge in ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), text, font, anchor)
    )
    mask = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), text, 255, font, anchor)
    return mask, left, top


@lru_cache(maxsize=32)
def _arrow(side_px: int) -> Image.Image:
    """The coverage of an antialiased arrow to the right."""
    fine = Image.new("L", (side_px * 4, side_px * 4))
    draw = ImageDraw.Draw(fine)
    middle, end, stroke = side_px * 2, side_px * 4, side_px // 2
    draw.line((0, middle, end - stroke, middle), 255, stroke)
    draw.line((middle, stroke // 2, end - stroke, middle, middle, end - stroke // 2), 255, stroke, "curve")
    return fine.resize((side_px, side_px), Image.Resampling.BOX)


@lru_cache(maxsize=32)
def _disc(radius_px: int) -> Image.Image:
    """The coverage of a disc, supersampled four times because Pillow does not antialias."""
    fine = Image.new("L", (radius_px * 8, radius_px * 8))
    ImageDraw.Draw(fine).ellipse((0, 0, radius_px * 8 - 1, radius_px * 8 - 1), fill=255)
    return fine.resize((radius_px * 2, radius_px * 2), Image.Resampling.BOX)
