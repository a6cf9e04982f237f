"""OSCQuery over the web server: ``/dream/…`` for a node, ``/?HOST_INFO``, and ``/`` for all but browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livedream.controls.osc_addresses import ROOT
from livedream.controls.osc_query import ATTRIBUTES, HOST_INFO, oscquery
from livedream.web.access import is_loopback
from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web

    from livedream.controls.osc import Osc

#: The whole tree, also where the page is at ``/``.
TREE = "/oscquery"


def add_oscquery(site: Site, osc: Osc) -> None:
    """Let ``site`` tell the addresses of ``osc``; without a token where OSC itself is for the network."""
    is_local = is_loopback(osc.address[0])

    async def answer(request: web.Request) -> web.Response:
        from aiohttp import web

        path = request.path if request.path.startswith(ROOT) else "/"
        host, port = osc.address
        everywhere = host in ("0.0.0.0", "::")
        status, found = oscquery(osc.view, path, request.query_string, ("" if everywhere else host, port))
        if found is None:
            return web.Response(status=status, headers=HEADERS)
        return web.json_response(found, headers=HEADERS)

    for path in (TREE, ROOT, f"{ROOT}/*"):
        site.add(path, answer, public=not is_local)


def asks_for_tree(request: web.Request) -> bool:
    """Whether a request is OSCQuery's for ``/``, and not a browser's for the page."""
    if request.path != "/" or request.method != "GET":
        return False
    asked = request.query_string in (*ATTRIBUTES, HOST_INFO)
    return asked or "text/html" not in request.headers.get("Accept", "text/html")
