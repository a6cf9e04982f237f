"""The preview: the picture on a small web page of this machine, for a mirror without a screen.

    /                the page
    /stream.mjpeg    the picture, moving
    /snapshot.jpg    the newest picture
    /status.json     what the show last said about itself

A thread with its own event loop serves it. A picture is encoded only while somebody looks, once for all who
do; each of them gets the newest one when he is ready for it, so a slow reader only skips.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import threading
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2

from livedream.errors import OutputError, UsageError
from livedream.frame import Image

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

_log = logging.getLogger(__name__)

_MAX_FPS = 30.0
_JPEG_QUALITY = 85  # 2 ms and 120 KB at 720p; nobody sees more on a web page
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_BOUNDARY = "livedream-frame"
_HEADERS = {
    "Cache-Control": "no-store",
    # No other page may show the picture: it is somebody's face.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_STALLED_S = 10.0  # a reader who takes nothing for so long is gone
_CLOSE_S = 0.9


class Preview:
    """The web page, served until ``close()``, which may be called twice. A context manager.

    ``port`` 0 takes any free one. Raises ``UsageError`` for a host that is not this machine's loopback,
    ``OutputError`` when the port is taken.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 8400) -> None:
        if not _is_loopback(host):
            raise UsageError(
                f"the preview cannot be served on {host!r}: anybody there could watch; possible:"
                f" {', '.join(_LOCAL_NAMES)}"
            )
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise OutputError(
                f"no preview on {host} port {port}: {error}; possible: another port, or ending what has it"
            ) from error
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}/"
        self._names = {*_LOCAL_NAMES, host}
        self._viewers = 0
        self._picture: Image | None = None
        self._jpeg = b""
        self._count = 0
        self._status: dict[str, Any] = {}
        self._closed = False
        self._loop = asyncio.new_event_loop()
        # These three belong to the loop's thread.
        self._offered = asyncio.Event()
        self._news = asyncio.Condition()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self._thread.start()

    @property
    def viewers(self) -> int:
        """How many are looking now."""
        return self._viewers

    def offer(self, image: Image) -> None:
        """Make ``image`` (RGB uint8, (H, W, 3)) the newest picture. Never waits.

        It is copied only while somebody looks.
        """
        if self._closed:
            return
        self._picture = image.copy() if self._viewers else image
        if self._viewers:
            with contextlib.suppress(RuntimeError):  # the server has ended by itself just now
                self._loop.call_soon_threadsafe(self._offered.set)

    def set_status(self, status: Mapping[str, Any]) -> None:
        """Make ``status`` (JSON-able) what /status.json answers."""
        self._status = dict(status)

    def close(self) -> None:
        """Stop serving, within a second, whoever is connected. May be called twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(RuntimeError):  # the server has ended by itself, and has said why
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_CLOSE_S)

    def __enter__(self) -> Preview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """The server's thread."""
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            _log.exception("the preview has ended; the show goes on without it")
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
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        encoder = asyncio.create_task(self._encode())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait((encoder, stop), return_when=asyncio.FIRST_COMPLETED)
            if encoder.done():
                encoder.result()  # raises what has ended it
        finally:
            stop.cancel()
            encoder.cancel()
            await runner.cleanup()

    async def _encode(self) -> None:
        """Make JPEGs of the pictures that come while somebody looks."""
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
    def _looking(self) -> Iterator[None]:
        """Somebody looks, for as long as this lasts."""
        self._viewers += 1
        self._offered.set()  # what was offered last is news to him
        try:
            yield
        finally:
            self._viewers -= 1

    async def _jpeg_after(self, count: int) -> tuple[bytes, int]:
        """The newest JPEG and its number, once there is one of a higher number than ``count``."""
        async with self._news:
            await self._news.wait_for(lambda: self._count > count)
        return self._jpeg, self._count

    async def _page(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        page = Path(__file__).with_name("preview.html").read_text(encoding="utf-8")
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    async def _status_json(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        return web.json_response(self._status | {"viewers": self._viewers}, headers=_HEADERS)

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        if self._picture is None:
            raise web.HTTPServiceUnavailable(text="no picture yet\n", headers=_HEADERS)
        with self._looking():
            jpeg, _ = await self._jpeg_after(self._count)
        return web.Response(body=jpeg, content_type="image/jpeg", headers=_HEADERS)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": kind})
        await response.prepare(request)
        count = self._count
        # The boundary follows its picture at once: browsers show a part only when they have seen its end.
        boundary = f"\r\n--{_BOUNDARY}\r\n".encode()
        with self._looking(), contextlib.suppress(ConnectionError, TimeoutError):
            await response.write(boundary)
            while True:
                jpeg, count = await self._jpeg_after(count)
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                async with asyncio.timeout(_STALLED_S):
                    await response.write(head + jpeg + boundary)
        return response


def _answers_only_to(names: Set[str]) -> Middleware:
    """Refuses requests that name another host: a web page elsewhere may have led a browser here."""
    from aiohttp import web

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _host_name(request.host) not in names:
            raise web.HTTPForbidden(text=f"this page answers to {', '.join(sorted(names))} only\n")
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
    """The name in a Host header, without its port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
