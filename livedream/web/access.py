"""Who is let in: those on this machine, or who have the token; never another site in somebody's browser."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiohttp import web

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
#: Wrong tokens that one address, and all together, may show in a minute.
_FAILURES, _ALL_FAILURES, _WINDOW_S = 10, 100, 60.0
_REMEMBERED = 1000
_COOKIE_S = 30 * 24 * 3600
_READING = ("GET", "HEAD")
#: A name or an address, and a port. It is repeated in headers.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?")


class Access:
    """Decides about requests to a server on ``host``. Without a ``token`` whoever can reach it is let in.

    ``clock`` is in seconds. ``all_failures`` are the wrong tokens in a minute, from wherever, after which
    nobody's is believed for a while.
    """

    def __init__(
        self,
        host: str,
        token: str = "",
        clock: Callable[[], float] = time.monotonic,
        all_failures: int = _ALL_FAILURES,
    ) -> None:
        self._local = is_loopback(host)
        machine = socket.gethostname().lower()
        self._names = {*LOCAL_NAMES, host.lower(), *(() if self._local else (machine, f"{machine}.local"))}
        self._token, self._clock = token, clock
        self._session = hmac.new(token.encode(), b"livedream session", hashlib.sha256).hexdigest()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._all_failed: deque[float] = deque(maxlen=all_failures)

    def objection(self, request: web.BaseRequest) -> str:
        """Why a request must be refused, whoever sends it, or "".

        A page elsewhere can make its own name mean this machine (DNS rebinding), and have a browser send what
        it likes (CSRF); it can choose neither the Host and Origin that go with it, nor a name of digits.
        """
        name = host_name(request.host) if _HOST.fullmatch(request.host) else ""
        if name not in self._names and (self._local or not _is_address(name)):
            return f"this page is served as {', '.join(sorted(self._names))} only"
        headers = request.headers
        opens_socket = headers.get("Upgrade", "").lower() == "websocket"
        if request.method in _READING and not opens_socket:
            return ""
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            return "another site may not do this"
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "another site may not do this"
        return ""

    def admits(self, request: web.BaseRequest) -> bool:
        """Whether the one who sends a request has shown the token before, or shows it in a header."""
        if not self._token:
            return True
        kind, _, shown = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.knows(shown.strip(), request):
            return True
        cookie = request.cookies.get(self._cookie_name(request), "")
        return hmac.compare_digest(cookie.encode(), self._session.encode())

    def knows(self, shown: str, request: web.BaseRequest) -> bool:
        """Whether ``shown`` is the token. Whoever shows wrong ones too often is not believed for a minute."""
        now, peer = self._clock(), request.remote or ""
        if self.tired_of(request):
            return False
        if hmac.compare_digest(_plain(shown), _plain(self._token)):
            self._failed.pop(peer, None)
            return True
        self._failed.setdefault(peer, deque(maxlen=_FAILURES)).append(now)
        self._failed.move_to_end(peer)
        self._all_failed.append(now)
        while len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)
        return False

    def tired_of(self, request: web.BaseRequest) -> bool:
        """Whether wrong tokens came too often in the last minute, from this address or from all."""
        since = self._clock() - _WINDOW_S
        mine = self._failed.get(request.remote or "", deque())
        return (len(mine) == _FAILURES and mine[0] > since) or (
            len(self._all_failed) == self._all_failed.maxlen and self._all_failed[0] > since
        )

    def remember(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Let this browser in from now on. The cookie is not the token."""
        response.set_cookie(
            self._cookie_name(request),
            self._session,
            max_age=_COOKIE_S,
            httponly=True,
            samesite="Strict",
            path="/",
        )

    def _cookie_name(self, request: web.BaseRequest) -> str:
        """Cookies don't know ports, and several mirrors may run on one machine."""
        return f"livedream-{urlsplit(f'//{request.host}').port or 80}"


def is_loopback(host: str) -> bool:
    """Whether a server on ``host`` can be reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _plain(token: str) -> bytes:
    """A token as it is compared: without what people add when they type one."""
    return re.sub(r"[\s-]", "", token).lower().encode()
