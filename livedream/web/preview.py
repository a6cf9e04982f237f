"""The preview: the picture on a local web page, for a mirror without a screen.

    /                the page
    /stream.mjpeg    the live picture
    /snapshot.jpg    the newest picture
    /status.json     the newest statistics
    /healthz         whether the mirror is well; see :mod:`livedream.web.watching`

A thread with its own event loop serves it. Pictures are encoded only while somebody is watching, once for
all viewers. A viewer gets the newest picture when ready for it, so a slow one only skips pictures.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Set
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import cv2

from livedream.errors import OutputError, UsageError
from livedream.frame import Array, Image
from livedream.health.vitals import Vitals
from livedream.resource import Resource
from livedream.sinks.port import Stamp
from livedream.web.watching import Watching

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

_log = logging.getLogger(__name__)

#: How old the picture may be that the first viewer gets.
_UNWATCHED_S = 0.5
_MAX_FPS = 30.0
#: 16 viewers at 30 fps take 60 MB/s; hundreds would take the show's CPU time.
_MAX_VIEWERS = 16
_JPEG_QUALITY = 85  # 2 ms and 120 KB at 720p; more makes no visible difference on a web page
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_BOUNDARY = "livedream-frame"
_HEADERS = {
    "Cache-Control": "no-store",
    # No other site may embed the picture: it shows somebody's face.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_STALLED_S = 10.0  # a viewer who reads nothing for this long is disconnected
_CLOSE_S = 0.9


class Preview(Resource):
    """Serves the web page until it is closed; a :class:`~livedream.sinks.port.Sink`.

    ``port`` 0 takes any free one. ``vitals`` are what the routes for programs tell of. Raises ``UsageError``
    for a host that is not this machine's loopback, ``OutputError`` if the port is taken.
    """

    name = "preview page"

    def __init__(self, *, host: str = "127.0.0.1", port: int = 8400, vitals: Vitals | None = None) -> None:
        if not _is_loopback(host):
            raise UsageError(
                f"the preview page cannot be served on {host!r}, where others could watch; possible:"
                f" {', '.join(_LOCAL_NAMES)}"
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"cannot serve the preview page on {host} port {port}: {error}; possible: another port"
            ) from error
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}/"
        self._names = {*_LOCAL_NAMES, host}
        self._viewers = 0
        self._picture: Image | None = None
        self._pictured_s = -_UNWATCHED_S
        self._jpeg = b""
        self._count = 0
        self._status: dict[str, Any] = {}
        self._watching = Watching(vitals or Vitals(), _HEADERS)
        self._closed = False
        self._error: Exception | None = None
        self._loop = asyncio.new_event_loop()
        # These three belong to the loop's thread.
        self._offered = asyncio.Event()
        self._news = asyncio.Condition()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        """How many viewers are connected."""
        return self._viewers

    @property
    def watched(self) -> bool:
        """Whether pictures are wanted now: all of them by viewers, now and then one for whoever will come."""
        return self._viewers > 0 or time.monotonic() - self._pictured_s > _UNWATCHED_S

    def show(self, picture: Image, overlay: Array | None = None, stamp: Stamp | None = None) -> None:
        """Make ``picture`` (RGB uint8, (H, W, 3)) the newest one. Does not block.

        Copied only while somebody is watching. ``overlay`` and ``stamp`` are not used. Raises what crashed
        the server, if it has crashed.
        """
        if self._error is not None:
            raise self._error
        if self._closed:
            return
        self._picture, self._pictured_s = picture.copy() if self._viewers else picture, time.monotonic()
        if self._viewers:
            with contextlib.suppress(RuntimeError):  # the server has just crashed: the next call raises
                self._loop.call_soon_threadsafe(self._offered.set)

    def set_status(self, status: Mapping[str, Any]) -> None:
        """Serve ``status`` (serialisable as JSON) as /status.json."""
        self._status = dict(status)

    def close(self) -> None:
        """Disconnect all viewers and stop serving, within a second. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(RuntimeError):  # the server has crashed
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        """The server's thread."""
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:
            self._error = error
        finally:
            self._viewers = 0
            self._loop.close()
            self._socket.close()

    async def _serve(self) -> None:
        from aiohttp import web

        app = web.Application(middlewares=[_answers_only_to(self._names)])
        app.router.add_get("/", self._page)
        app.router.add_get("/stream.mjpeg", self._stream)
        app.router.add_get("/snapshot.jpg", self._snapshot)
        app.router.add_get("/status.json", self._status_json)
        self._watching.add_to(app)
        runner = web.AppRunner(
            app, access_log=None, logger=_server_log, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        encoder = asyncio.create_task(self._encode())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((encoder, stop), return_when=asyncio.FIRST_COMPLETED)
            if encoder.done():
                encoder.result()  # raises its error
        finally:
            stop.cancel()
            encoder.cancel()
            await runner.cleanup()

    async def _encode(self) -> None:
        """Encode new pictures as JPEG while somebody is watching."""
        while True:
            await self._offered.wait()
            self._offered.clear()
            start = self._loop.time()
            if self._viewers and self._picture is not None:
                self._jpeg = await asyncio.to_thread(_jpeg, self._picture)
                self._count += 1
                async with self._news:
                    self._news.notify_all()
            await asyncio.sleep(max(0.0, start + 1 / _MAX_FPS - self._loop.time()))

    @contextlib.contextmanager
    def _viewing(self) -> Iterator[None]:
        """Count a viewer during the block. Refuses one too many."""
        from aiohttp import web

        if self._viewers >= _MAX_VIEWERS:
            text = f"the preview page has {_MAX_VIEWERS} viewers, and allows no more; try again later\n"
            raise web.HTTPServiceUnavailable(text=text, headers=_HEADERS)
        self._viewers += 1
        self._offered.set()  # encode the newest picture for them
        try:
            yield
        finally:
            self._viewers -= 1

    async def _jpeg_after(self, count: int) -> tuple[bytes, int]:
        """The newest JPEG and its number, as soon as the number is higher than ``count``."""
        async with self._news:
            await self._news.wait_for(lambda: self._count > count)
        return self._jpeg, self._count

    async def _page(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        try:
            page = files("livedream.web").joinpath("preview.html").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            _log.error("the preview shows only the picture: its page cannot be read: %s", error)
            raise web.HTTPFound("/stream.mjpeg", headers=_HEADERS) from error
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    async def _status_json(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        viewers = {"viewers": self._viewers, "max_viewers": _MAX_VIEWERS}
        return web.json_response(self._status | viewers | self._watching.ages(), headers=_HEADERS)

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        if self._picture is None:
            raise web.HTTPServiceUnavailable(text="no picture yet\n", headers=_HEADERS)
        with self._viewing():
            jpeg, _ = await self._jpeg_after(self._count)
        return web.Response(body=jpeg, content_type="image/jpeg", headers=_HEADERS)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": kind})
        count = self._count
        # The boundary follows its picture at once: browsers show a part only when they have seen its end.
        boundary = f"\r\n--{_BOUNDARY}\r\n".encode()
        with self._viewing(), contextlib.suppress(ConnectionError, TimeoutError):
            await response.prepare(request)
            await response.write(boundary)
            while True:
                jpeg, count = await self._jpeg_after(count)
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                async with asyncio.timeout(_STALLED_S):
                    await response.write(head + jpeg + boundary)
        return response


def _no_bad_requests(record: logging.LogRecord) -> bool:
    """Whether a log record is about something else than a client's malformed request."""
    from aiohttp.http_exceptions import HttpProcessingError

    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_server_log = _log.getChild("server")
_server_log.addFilter(_no_bad_requests)


def _answers_only_to(names: Set[str]) -> Middleware:
    """Refuse requests for another host name: a web page elsewhere may have led a browser here."""
    from aiohttp import web

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host_name(request.host) not in names:
            raise web.HTTPForbidden(text=f"this page is served as {', '.join(sorted(names))} only\n")
        return await handler(request)

    return guard


def _jpeg(image: Image) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
