"""The preview: the picture on a web page, for a mirror without a screen and for whoever sets one up.

    /stream.mjpeg    the live picture, for other programs
    /snapshot.jpg    the newest picture
    /status.json     the newest statistics
    /healthz         whether the mirror is well; see :mod:`livedream.web.watching`
    /preview         the live picture for the page: a WebSocket on which each JPEG answers a message

Pictures are encoded only while somebody is watching, once for all viewers. A viewer gets the newest picture
when ready for it, so a slow one only skips pictures.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from livedream.errors import UsageError
from livedream.frame import Array, Image
from livedream.health.vitals import Vitals
from livedream.resource import Resource
from livedream.sinks.port import Stamp
from livedream.web.access import LOCAL_NAMES, is_loopback
from livedream.web.pages import add_pages
from livedream.web.pictures import Pictures
from livedream.web.server import Server
from livedream.web.site import HEADERS, Site
from livedream.web.watching import Watching

if TYPE_CHECKING:
    from aiohttp import web

#: 16 viewers at 30 fps take 60 MB/s; hundreds would take the show's CPU time.
_STREAM_VIEWERS, _STREAM_FPS = 16, 30.0
_JPEG_QUALITY = 85  # 2 ms and 120 KB at 720p; more makes no visible difference on a web page
#: A page shows it smaller, and beside other things: 2 ms and 60 KB at 540p.
_PAGE_VIEWERS, _PAGE_FPS, _PAGE_QUALITY, _PAGE_PX = 32, 10.0, 80, 960
_BOUNDARY = "livedream-frame"
#: A viewer who takes nothing, or asks for nothing, for this long is disconnected.
_STALLED_S = 10.0


class Preview(Resource):
    """Serves a site, with the picture on it, until it is closed; a :class:`~livedream.sinks.port.Sink`.

    ``port`` 0 takes any free one. ``site`` may have other addresses, too; ``vitals`` are what the routes for
    programs tell of. Raises ``UsageError`` for a host that others can reach, without a ``token``
    for them, and ``OutputError`` if the port is taken.
    """

    name = "page"

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8400,
        token: str = "",
        site: Site | None = None,
        vitals: Vitals | None = None,
    ) -> None:
        if not token and not is_loopback(host):
            raise UsageError(
                f"the page cannot be served on {host!r}, where others could watch, without a token;"
                f" possible: {', '.join(LOCAL_NAMES)}"
            )
        site = site or Site()
        self._full = Pictures(most=_STREAM_VIEWERS, fps=_STREAM_FPS, quality=_JPEG_QUALITY)
        self._small = Pictures(most=_PAGE_VIEWERS, fps=_PAGE_FPS, quality=_PAGE_QUALITY, longer_px=_PAGE_PX)
        self._status: dict[str, Any] = {}
        self._closed = False
        self._watching = Watching(vitals or Vitals())
        self._watching.add_to(site)
        add_pages(site)
        site.add("/stream.mjpeg", self._stream)
        site.add("/snapshot.jpg", self._snapshot)
        site.add("/status.json", self._status_json)
        site.add("/preview", self._socket)
        encoders = [pictures.encode for pictures in (self._full, self._small)]
        self._server = Server(site, encoders, host=host, port=port, token=token)
        self.url = self._server.url

    @property
    def viewers(self) -> int:
        """How many viewers are connected."""
        return self._full.viewers + self._small.viewers

    @property
    def watched(self) -> bool:
        """Whether a picture is wanted now: for viewers, or now and then one for whoever will come."""
        return self._full.wanted or self._small.wanted

    def show(self, picture: Image, overlay: Array | None = None, stamp: Stamp | None = None) -> None:
        """Make ``picture`` (RGB uint8, (H, W, 3)) the newest one. Does not block.

        Copied only while somebody is watching. ``overlay`` and ``stamp`` are not used. Raises what crashed
        the server, if it has crashed.
        """
        if self._server.error is not None:
            raise self._server.error
        if self._closed:
            return
        for pictures in (self._full, self._small):
            pictures.offer(picture, self._server.call)

    def set_status(self, status: Mapping[str, Any]) -> None:
        """Serve ``status`` (serialisable as JSON) as /status.json."""
        self._status = dict(status)

    def close(self) -> None:
        """Disconnect all viewers and stop serving, within a second. May be called twice."""
        self._closed = True
        self._server.close()

    async def _status_json(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        viewers = {"viewers": self.viewers, "max_viewers": _STREAM_VIEWERS}
        return web.json_response(self._status | viewers | self._watching.ages(), headers=HEADERS)

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        if self._full.empty:
            raise web.HTTPServiceUnavailable(text="no picture yet\n", headers=HEADERS)
        with _or_refused(self._full):
            jpeg, _ = await self._full.after(self._full.count)
        return web.Response(body=jpeg, content_type="image/jpeg", headers=HEADERS)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": kind})
        count = self._full.count
        # The boundary follows its picture at once: browsers show a part only when they have seen its end.
        boundary = f"\r\n--{_BOUNDARY}\r\n".encode()
        with _or_refused(self._full), contextlib.suppress(ConnectionError, TimeoutError):
            await response.prepare(request)
            await response.write(boundary)
            while True:
                jpeg, count = await self._full.after(count)
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                async with asyncio.timeout(_STALLED_S):
                    await response.write(head + jpeg + boundary)
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """One JPEG on its way at a time: the next one when the page says that it has drawn the last."""
        from aiohttp import web

        socket = web.WebSocketResponse(compress=False, max_msg_size=64)
        count = self._small.count
        with _or_refused(self._small), contextlib.suppress(ConnectionError, TimeoutError):
            await socket.prepare(request)
            while not socket.closed:
                asked = await socket.receive(timeout=_STALLED_S)
                if asked.type is not web.WSMsgType.TEXT:
                    break
                jpeg, count = await self._small.after(count)
                async with asyncio.timeout(_STALLED_S):
                    await socket.send_bytes(jpeg)
        return socket


@contextlib.contextmanager
def _or_refused(pictures: Pictures) -> Iterator[None]:
    from aiohttp import web

    try:
        with pictures.viewing():
            yield
    except OverflowError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n", headers=HEADERS) from error
