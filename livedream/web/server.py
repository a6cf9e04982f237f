"""The web server: a thread with an event loop of its own that answers what is on a :class:`Site`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from livedream.errors import OutputError
from livedream.resource import Resource
from livedream.web.access import Access, is_loopback
from livedream.web.login import ask, log_in
from livedream.web.oscquery import TREE, asks_for_tree
from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger(__name__)

_CLOSE_S = 0.9
#: More connections wait in the system's queue, and then are refused by it.
_BACKLOG = 128
#: What still comes of a refused upload is taken so long, that its sender may read why; then it is cut off.
_LINGER_S = 0.5


def bound(host: str, port: int, what: str, possible: str) -> socket.socket:
    """A socket that listens there; ``port`` 0 is any free one.

    Raises ``OutputError``, which says that ``what`` cannot be served there, and what is ``possible``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        # Python adds for programmers what it was doing.
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (while attempting")[0]
        raise OutputError(
            f"cannot serve {what} on {host} port {port}: {reason}; possible: {possible}"
        ) from error


class Server(Resource):
    """Serves ``site`` on ``host`` and ``port`` (0: any free one) until it is closed.

    ``background`` are coroutines that run beside it, and end it by an error. ``error`` is what has crashed
    it. Raises ``OutputError`` if the port is taken.
    """

    def __init__(
        self,
        site: Site,
        background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = "",
    ) -> None:
        local = "" if is_loopback(host) else ", an address of this machine, or 0.0.0.0 for all that it has"
        self._socket = bound(host, port, "the page", f"another port{local}")
        self.error: Exception | None = None
        self.loop = asyncio.new_event_loop()
        self._site, self._background = site, background
        self._access = Access(host, token)
        self._stop = asyncio.Event()  # belongs to the loop's thread
        self._closed = False
        self.url = f"http://{reachable(host)}:{self._socket.getsockname()[1]}/"
        site.url, site.login_url = self.url, self.url + (f"?token={token}" if token else "")
        self._thread = threading.Thread(target=self._run, name="web server", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Have the server's thread call ``function``. Does nothing when it has crashed or is closed."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function)

    def close(self) -> None:
        """Disconnect everybody and stop serving, within a second. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._site.url == self.url:
            self._site.url = self._site.login_url = ""
        self.call(self._stop.set)
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        """The server's thread."""
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:  # ends the loop and its tasks
                runner.run(self._serve())
        except Exception as error:
            self.error = error
        finally:
            self._socket.close()

    async def _serve(self) -> None:
        from aiohttp import web

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=requests_log,
            shutdown_timeout=0.1,
            handler_cancellation=True,
            lingering_time=_LINGER_S,
        )
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        tasks = [asyncio.create_task(work()) for work in (*self._background, self._stop.wait)]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # raises its error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        access = self._access
        if objection := access.objection(request):
            raise web.HTTPForbidden(text=f"{objection}\n", headers=HEADERS)
        path = TREE if asks_for_tree(request) and self._site.find("GET", TREE) else request.path
        route = self._site.find(request.method, path)
        if not (route and route.public) and not access.admits(request):
            return await log_in(access, request)
        if "token" in request.query:  # whoever is let in already follows the link once more
            return ask(request, arrived=True)
        if route is None:
            methods = self._site.methods(request.path)
            if methods:
                raise web.HTTPMethodNotAllowed(request.method, methods, headers=HEADERS)
            raise web.HTTPNotFound(text=f"nothing is at {request.path[:200]!r}\n", headers=HEADERS)
        return await route.handler(request)


def reachable(host: str) -> str:
    """``host`` as others have to write it: an address of this machine, for a server on all of them."""
    if host in ("0.0.0.0", "::"):
        host = _own_address() or socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _own_address() -> str:
    """The address that this machine has in its network, "" without one. Nothing is sent."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("192.0.2.1", 9))  # reserved for documentation; a datagram socket only looks up the way
        return str(asked.getsockname()[0])
    return ""


def _no_bad_requests(record: logging.LogRecord) -> bool:
    """Whether a log record is about something else than a client's malformed request."""
    from aiohttp.http_exceptions import HttpProcessingError

    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


#: For aiohttp: what it has to say of requests, but for malformed ones.
requests_log = _log.getChild("requests")
requests_log.addFilter(_no_bad_requests)
