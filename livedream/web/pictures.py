"""The pictures of the preview: the newest, encoded once for all who look, and only while somebody does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from livedream.frame import Image, working_size

#: How old the picture may be that the first viewer gets.
_UNWATCHED_S = 0.5


class Pictures:
    """One size of the newest picture as JPEG, for at most ``most`` viewers, at most ``fps`` times a second.

    ``longer_px`` is the longer side of the JPEG, None: as it is shown. :meth:`offer` belongs to the show's
    thread, everything else to the server's.
    """

    def __init__(self, *, most: int, fps: float, quality: int, longer_px: int | None = None) -> None:
        self.most, self.viewers = most, 0
        self._interval_s, self._quality, self._longer_px = 1 / fps, quality, longer_px
        self._picture: Image | None = None
        self._offered_s = -_UNWATCHED_S
        self._jpeg = b""
        self._count = 0
        self._offered = asyncio.Event()
        self._news = asyncio.Condition()

    @property
    def wanted(self) -> bool:
        """Whether a picture is wanted now: for viewers, or now and then for whoever will come."""
        # A hair early: a picture that comes just before its time is taken, not one refresh later.
        interval_s = 0.9 * self._interval_s if self.viewers else _UNWATCHED_S
        return time.monotonic() - self._offered_s > interval_s

    def offer(self, picture: Image, call: Callable[[Callable[[], object]], None]) -> None:
        """Make ``picture`` the newest one if one is wanted; copied only while somebody is watching.

        ``call`` has the server's thread call a function.
        """
        if not self.wanted:
            return
        self._picture, self._offered_s = picture.copy() if self.viewers else picture, time.monotonic()
        if self.viewers:
            call(self._offered.set)

    @property
    def empty(self) -> bool:
        """Whether there has been no picture yet."""
        return self._picture is None

    @property
    def count(self) -> int:
        """The number of the newest JPEG."""
        return self._count

    @contextlib.contextmanager
    def viewing(self) -> Iterator[None]:
        """Count a viewer during the block. Raises ``OverflowError`` for one too many."""
        if self.viewers >= self.most:
            raise OverflowError(f"the picture has {self.most} viewers, and allows no more; try again later")
        self.viewers += 1
        self._offered.set()  # encode the newest picture for them
        try:
            yield
        finally:
            self.viewers -= 1

    async def after(self, count: int) -> tuple[bytes, int]:
        """The newest JPEG and its number, as soon as the number is higher than ``count``."""
        async with self._news:
            await self._news.wait_for(lambda: self._count > count)
        return self._jpeg, self._count

    async def encode(self) -> None:
        """Encode new pictures while somebody is watching, for ever."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            start = time.monotonic()
            if self.viewers and self._picture is not None:
                self._jpeg = await asyncio.to_thread(jpeg, self._picture, self._quality, self._longer_px)
                self._count += 1
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(max(0.0, start + 0.9 * self._interval_s - time.monotonic()))


def jpeg(image: Image, quality: int, longer_px: int | None = None) -> bytes:
    """``image`` (RGB) as JPEG, no larger than ``longer_px``."""
    height, width = image.shape[:2]
    if longer_px is not None and max(height, width) > longer_px:
        # Averaging takes three times as long as interpolating, and only shows where pixels would be left out.
        way = cv2.INTER_AREA if max(height, width) >= 1.6 * longer_px else cv2.INTER_LINEAR
        image = np.asarray(
            cv2.resize(image, working_size(width, height, longer_px), interpolation=way), np.uint8
        )
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
