"""The last lines of the show's log, for the page.

/log.json?after=N    the lines after the Nth, and the number of the last
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web

_LINES = 200
_LONGEST = 500


class LogTail(logging.Handler):
    """Keeps the last lines of the log. :meth:`close` lets the log go."""

    def __init__(self, site: Site) -> None:
        super().__init__(logging.INFO)
        self._numbers = itertools.count(1)
        self._lines: deque[tuple[int, str, str, str]] = deque(maxlen=_LINES)
        self._logger = logging.getLogger("livedream")
        self._logger.addHandler(self)
        site.add("/log.json", self._answer)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = record.levelname.lower()
        self._lines.append((next(self._numbers), at, level, record.getMessage()[:_LONGEST]))

    def close(self) -> None:
        """Keep no more lines. May be called twice."""
        self._logger.removeHandler(self)
        super().close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        after = request.query.get("after", "0")
        number = int(after) if after.isdecimal() and len(after) < 12 else 0
        lines = [line for line in list(self._lines) if line[0] > number]
        return web.json_response({"lines": lines, "last": lines[-1][0] if lines else number}, headers=HEADERS)
