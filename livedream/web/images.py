"""Images that a browser sends: nothing is kept of them but what they show."""

from __future__ import annotations

import io

from livedream.errors import UsageError

#: What a phone's camera makes has 3 to 12 MB.
LARGEST_BYTES = 20_000_000
_LARGEST_PIXELS = 60_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_QUALITY = 90


def cleaned(data: bytes, longer_px: int) -> bytes:
    """The image in ``data`` as a new JPEG, upright, no larger than ``longer_px``, without what came with it.

    Its size is looked at before it is decoded. Raises ``UsageError`` for what is no image.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _LARGEST_PIXELS:
                raise UsageError(
                    f"the image has {image.width}x{image.height} pixels; possible: up to"
                    f" {_LARGEST_PIXELS // 1_000_000} megapixels"
                )
            image.draft("RGB", (longer_px, longer_px))  # a JPEG is decoded no larger than needed
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise UsageError(
            f"that is not an image, or is damaged ({len(data)} bytes); possible: {', '.join(_FORMATS)}"
        ) from error
    upright.thumbnail((longer_px, longer_px))
    kept = io.BytesIO()
    upright.save(kept, "JPEG", quality=_QUALITY)
    return kept.getvalue()
