"""What the web server answers. Every part of the program adds its own pages here, whether or not it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Sent with every answer.
HEADERS = {
    "Cache-Control": "no-store",
    # No other site may embed the picture: it shows somebody's face.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # No other site learns the address. With less, a browser would not say where a form comes from.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Route:
    """One address: its handler, and whether it answers those who have not shown the token."""

    handler: Handler
    public: bool = False


class Site:
    """The addresses that a server answers. They may be added at any time, from any thread.

    Handlers are aiohttp's: coroutines from a request to a response, run in the server's own thread, so they
    must not block. They outlive a server that crashes and is started again.

    ``url`` is the address of the server that serves it now, empty while there is none; ``login_url`` also
    has the token, for those who may see it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.login_url = ""
        self._routes: dict[tuple[str, str], Route] = {}

    def add(self, path: str, handler: Handler, *, method: str = "GET", public: bool = False) -> None:
        """Let ``handler`` answer ``path``, and all below it if it ends in ``/*``."""
        self._routes[method, path] = Route(handler, public)

    def find(self, method: str, path: str) -> Route | None:
        """The route for a request, None for an unknown address. The nearest ``/*`` above it wins."""
        method = "GET" if method == "HEAD" else method
        route = self._routes.get((method, path))
        while route is None and path:
            path = path.rpartition("/")[0]
            route = self._routes.get((method, f"{path}/*"))
        return route

    def methods(self, path: str) -> list[str]:
        """The methods that an address answers."""
        known = {method for method, _ in list(self._routes)}
        return sorted(method for method in known if self.find(method, path))
