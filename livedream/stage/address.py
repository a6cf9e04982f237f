"""The plate that says where the control page is, for a phone that scans it and for somebody who types it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image as Pillow
from PIL.Image import Image, Resampling

from livedream.stage.lettering import Colour, draw_plate, draw_text, shorten, text_width

_PLATE: Colour = (8, 10, 14, 235)
_WHITE: Colour = (255, 255, 255, 255)
_DIM: Colour = (190, 198, 210, 255)
_ACCENT: Colour = (255, 206, 112, 255)
#: Fractions of the screen's shorter side. A phone reads a code from ten times its width.
_CODE, _PAD, _TITLE, _TEXT = 0.5, 0.05, 0.06, 0.043
#: Light cells around a code, which readers need.
_QUIET = 3


def qr_code(text: str) -> np.ndarray:
    """The QR code of ``text`` with its margin: bool (N, N), true where it is dark."""
    import segno

    matrix = segno.make(text, error="m", micro=False).matrix
    return np.pad(np.array([list(row) for row in matrix], bool), _QUIET)


def draw_address(canvas: Image, address: str) -> None:
    """The code of ``address`` in the middle of the canvas; below it the address and its token, to type."""
    short = min(canvas.size)
    pad, title_px, text_px = (round(short * share) for share in (_PAD, _TITLE, _TEXT))
    parts = urlsplit(address)
    token = parse_qs(parts.query).get("token", [""])[0]
    lines = [("Control page", title_px, _ACCENT), (f"{parts.scheme}://{parts.netloc}", text_px, _WHITE)]
    lines += [(f"token {token}", text_px, _DIM)] if token else []
    code = qr_code(address)
    side = max(1, round(short * _CODE) // len(code)) * len(code)  # whole pixels for each cell
    inner = min(canvas.width - 4 * pad, max(side, *(text_width(text, px) for text, px, _ in lines)))
    width, height = inner + 2 * pad, side + round(sum(px * 1.5 for _, px, _ in lines)) + 2 * pad
    left, top = (canvas.width - width) // 2, max(0, (canvas.height - height) // 2)
    draw_plate(canvas, (left, top, left + width, top + height), pad // 2, _PLATE)
    middle, y = canvas.width // 2, top + pad + side
    cells = Pillow.fromarray(np.where(code, 0, 255).astype(np.uint8)).resize((side, side), Resampling.NEAREST)
    canvas.paste(cells.convert("RGBA"), (middle - side // 2, top + pad))
    for text, px, colour in lines:
        y += round(px * 1.5)
        at = (middle, y - round(px * 0.5))
        draw_text(canvas, at, shorten(text, px, inner), px, colour, "mm")
