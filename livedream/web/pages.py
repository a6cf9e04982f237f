"""The files of the page: scripts, styles and pictures from the package, and nothing else."""

from __future__ import annotations

import logging
import mimetypes
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
    " connect-src 'self' ws://{host}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


def add_pages(site: Site) -> None:
    """Add the page as ``/`` and its files below ``/static/``. Its looks are no secret; its picture is."""
    site.add("/", _page)
    try:
        found = _below(files("livedream.web").joinpath("static"))
    except OSError as error:
        log.error("the page has no scripts and styles: %s", error)
        return
    for name, file in found.items():
        if name != "index.html":
            site.add(f"/static/{name}", partial(_file, file), public=True)


def _below(folder: Traversable, prefix: str = "") -> dict[str, Traversable]:
    """The files in a folder and the folders in it, by their paths."""
    found: dict[str, Traversable] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _below(entry, f"{prefix}{entry.name}/")
        else:
            found[prefix + entry.name] = entry
    return found


async def _page(request: web.Request) -> web.StreamResponse:
    from aiohttp import web

    try:
        page = files("livedream.web").joinpath("static", "index.html").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        log.error("the preview shows only the picture: its page cannot be read: %s", error)
        raise web.HTTPFound("/stream.mjpeg", headers=HEADERS) from error
    policy = _POLICY.format(host=request.host)
    headers = HEADERS | {"Content-Security-Policy": policy}
    return web.Response(text=page, content_type="text/html", headers=headers)


async def _file(file: Traversable, request: web.Request) -> web.StreamResponse:
    from aiohttp import web

    try:
        content = file.read_bytes()
    except OSError as error:
        raise web.HTTPNotFound(text=f"{file.name} cannot be read\n", headers=HEADERS) from error
    ending = "." + file.name.rpartition(".")[2]
    kind = _TYPES.get(ending) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = HEADERS | {"Cache-Control": "no-cache"}
    return web.Response(
        body=content, content_type=kind, charset="utf-8" if ending in _TYPES else None, headers=headers
    )
