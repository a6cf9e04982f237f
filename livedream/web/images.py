"""Images that a browser sends: nothing is kept of them but what they show.

They are decoded in a process of their own, which may crash or fill its memory without harm to the show.
"""

from __future__ import annotations

import io
import subprocess
import sys

from livedream.errors import UsageError

#: What a phone's camera makes has 3 to 12 MB.
LARGEST_BYTES = 20_000_000
_LARGEST_PIXELS = 60_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_QUALITY = 90
_SLOWEST_S = 60.0
_REFUSED = 3


def cleaned(data: bytes, longer_px: int) -> bytes:
    """The image in ``data`` as a new JPEG, upright, no larger than ``longer_px``, without what came with it.

    Takes about half a second. Raises ``UsageError`` for what is no image.
    """
    command = [sys.executable, "-m", __name__, str(longer_px)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_SLOWEST_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"the image was not decoded within {_SLOWEST_S:.0f} s") from error
    if done.returncode == _REFUSED:
        raise UsageError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode:
        raise UsageError(f"the image crashed what decodes it (exit code {done.returncode})")
    return done.stdout


def decoded(data: bytes, longer_px: int) -> bytes:
    """As :func:`cleaned`, in this process. The size is looked at before anything is decoded."""
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
        *(OSError, SyntaxError, ValueError),
        *(Image.DecompressionBombError, Image.DecompressionBombWarning),
    ) as error:
        raise UsageError(
            f"that is not an image, or is damaged ({len(data)} bytes); possible: {', '.join(_FORMATS)}"
        ) from error
    upright.thumbnail((longer_px, longer_px))
    kept = io.BytesIO()
    upright.save(kept, "JPEG", quality=_QUALITY)
    return kept.getvalue()


def main() -> None:
    """Standard input to standard output; what is wrong with it to standard error."""
    try:
        sys.stdout.buffer.write(decoded(sys.stdin.buffer.read(), int(sys.argv[1])))
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(_REFUSED) from error


if __name__ == "__main__":
    main()
