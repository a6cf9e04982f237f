"""What happens in a room, in words, for whoever asks from elsewhere."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

log = logging.getLogger(__name__)

_KEPT = 200


@dataclass(frozen=True)
class News:
    """Something that happened, with a number that grows."""

    number: int
    text: str


class Newspaper:
    """Keeps the latest news. Belongs to one event loop."""

    def __init__(self) -> None:
        #: Which paper this is: numbers of another one mean nothing here.
        self.edition = secrets.token_hex(4)
        self._news: deque[News] = deque(maxlen=_KEPT)
        self._last = 0
        self._told = asyncio.Event()

    def tell(self, text: str) -> None:
        """Something has happened."""
        log.info("%s", text)
        self._last += 1
        self._news.append(News(self._last, text))
        self._told.set()
        self._told = asyncio.Event()

    async def after(self, number: int, wait_s: float) -> list[News]:
        """What has happened since the news of that number; waits for it, but not longer than ``wait_s``."""
        if self._last <= number:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._told.wait()
        return [news for news in self._news if news.number > number]
