"""What pictures and residuals cost between a mirror and a room, and what is left of the dream.

``python -m tests.bench.room_pixels --source VIDEO`` dreams on a video for three seconds at several working
sizes, then packs a picture and a residual every way that there is. Prints bytes, milliseconds to pack and to
open, Mbit/s at 30 a second, and the dream's strength against the residual that never travelled; ``--sweep``
tries other qualities of JPEG, with and without colours at full size, for the residual.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.frame import Array, Image, crop_to_aspect, resize, working_size
from livedream.ipc.room_messages import Coding
from livedream.ipc.room_pixels import decode_picture, decode_residual, encode_picture, encode_residual
from livedream.networks.catalogue import network_info
from livedream.settings import Settings
from livedream.sources import open_source
from tests.bench.measures import strength

SIZES = (128, 160, 320, 640)
HZ = 30
_FRAMES, _TIMES = 90, 15
_CODINGS: tuple[Coding, ...] = ("raw", "jpeg")


@dataclass(frozen=True)
class Dreamt:
    """A frame at working size and the residual dreamt on it, and how strong a dream of it is."""

    image: Image
    residual: Array
    strength_of: Callable[[Array], float]


def dreamt(source: str, working_px: int) -> Dreamt:
    """Dream on the source for three seconds, cropped to 16:9."""
    dreamer, settings = Dreamer(threads=1), Settings(working_px=working_px, octaves=2)
    layer = network_info(settings.network).layer(settings.layer).name
    with open_source(source, realtime=False) as frames:
        for n, frame in enumerate(islice(frames, _FRAMES)):
            cropped = np.ascontiguousarray(crop_to_aspect(frame.image, 16 / 9))
            size = working_size(cropped.shape[1], cropped.shape[0], working_px)
            image = np.asarray(resize(cropped, *size), np.uint8)
            residual = dreamer.tick(image, settings, time_s=n / HZ)

    def strength_of(shown: Array) -> float:
        picture = np.clip(image + shown * settings.strength, 0, 255).round().astype(np.uint8)
        return strength(dreamer.backend, layer, picture, image)

    return Dreamt(image, residual.copy(), strength_of)


def timed_ms(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and how long it takes: the fastest of some."""
    best = float("inf")
    for _ in range(_TIMES):
        began_s = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - began_s)
    return found, best * 1e3


def row(one: Dreamt, coding: Coding) -> str:
    """A row of the table."""
    height, width = one.image.shape[:2]
    size = width, height
    picture, up_ms = timed_ms(lambda: encode_picture(one.image, coding))
    _, opened_ms = timed_ms(lambda: decode_picture(picture, size, coding))
    (data, scale), packed_ms = timed_ms(lambda: encode_residual(one.residual, coding))
    residual, down_ms = timed_ms(lambda: decode_residual(data, size, scale, coding))
    kept = one.strength_of(residual) / one.strength_of(one.residual)
    up, down = (len(part) * 8 * HZ / 1e6 for part in (picture, data))
    return (
        f"| {width}×{height} | {coding} | {len(picture) / 1e3:.0f} | {len(data) / 1e3:.0f}"
        f" | {up:.1f} | {down:.1f} | {up_ms + opened_ms + packed_ms + down_ms:.1f} | {kept:.1%} |\n"
    )


def sweep(one: Dreamt) -> str:
    """Residuals at other qualities."""
    height, width = one.image.shape[:2]
    scale = float(np.abs(one.residual).max()) / 127
    levels = np.asarray(np.rint(one.residual / scale) + 128, np.uint8)
    lines = []
    full, half = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    for colours, factor in (("full", full), ("half", half)):
        for quality in (75, 85, 90, 95):
            words = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor)
            data = cv2.imencode(".jpg", levels, words)[1]
            opened = cv2.imdecode(data, cv2.IMREAD_COLOR).astype(np.float32)  # type: ignore[union-attr]
            kept = one.strength_of((opened - 128) * scale) / one.strength_of(one.residual)
            lines.append(
                f"{width}×{height} colours {colours}, quality {quality}: {len(data)} B, {kept:.1%}\n"
            )
    return "".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m tests.bench.room_pixels", description=__doc__)
    parser.add_argument("--source", default="clouds")
    parser.add_argument("--px", type=int, nargs="+", default=SIZES)
    parser.add_argument("--sweep", action="store_true")
    options = parser.parse_args(words)
    cv2.setNumThreads(1)
    sys.stdout.write(
        "| working size | pixels | kB up | kB down | Mbit/s up | Mbit/s down | ms in all | strength |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    for working_px in options.px:
        one = dreamt(options.source, working_px)
        for coding in _CODINGS:
            sys.stdout.write(row(one, coding))
        if options.sweep:
            sys.stdout.write(sweep(one))
    return 0


if __name__ == "__main__":
    sys.exit(main())
