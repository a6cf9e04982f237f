"""What pages may give and take away: guide images, and pictures of scenes.

    GET    /guides           the guides that were given, as JSON: name, path
    POST   /guides?name=     an image becomes a guide; DELETE takes it away
    GET    /guides/NAME      a guide's image
    POST   /scenes/picture?scene=    a picture for the tile of a scene; GET shows it

Names are only compared with those that are there: no name ever becomes a path.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from livedream.controls.desk import SCENE_NAME
from livedream.errors import LivedreamError, OutputError, UsageError, quoted
from livedream.files import replace_file
from livedream.places import create
from livedream.web.images import LARGEST_BYTES, cleaned
from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web

T = TypeVar("T")

_GUIDE_PX, _TILE_PX = 1024, 320
#: As many as controls step through.
_MOST_GUIDES = 100
_LARGEST_TILE_BYTES = 2_000_000
_SLOWEST_S = 60.0
_AT_ONCE = 2
#: A picture that is so much older than its scene is of an earlier scene of this name.
_OLDER_S = 10.0


class Uploads:
    """The guides in the folder ``guides`` and the pictures in ``scenes``, the user's own scenes.

    ``given`` is called with the path of each new guide.
    """

    def __init__(self, site: Site, guides: Path, scenes: Path, given: Callable[[str], None]) -> None:
        self._guides, self._scenes, self._given = guides, scenes, given
        self._busy = 0
        site.add("/guides", self._list)
        site.add("/guides", self._add, method="POST")
        site.add("/guides", self._remove, method="DELETE")
        site.add("/guides/*", self._show)
        site.add("/scenes/picture", self._scene)
        site.add("/scenes/picture", self._picture, method="POST")

    def guides(self) -> list[dict[str, str]]:
        """Name and path of each guide that was given."""
        return [{"name": path.stem, "path": str(path)} for path in _jpegs(self._guides)]

    def pictures(self) -> dict[str, int]:
        """The scenes that have a picture, each with a number that changes with it."""
        found = {}
        for path in _jpegs(self._scenes):
            try:
                made, stored = path.stat(), path.with_suffix(".toml").stat()
            except OSError:
                continue  # a picture without a scene
            if made.st_mtime >= stored.st_mtime - _OLDER_S:
                found[path.stem] = made.st_mtime_ns // 1_000_000
        return found

    async def _list(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        return web.json_response(self.guides(), headers=HEADERS)

    async def _add(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        name = request.query.get("name", "")
        data = await self._body(request, LARGEST_BYTES)

        def keep() -> Path:
            image = cleaned(data, _GUIDE_PX)
            if len(_jpegs(self._guides)) >= _MOST_GUIDES:
                raise UsageError(f"there are {_MOST_GUIDES} guides already; possible: take one away first")
            path = create(self._guides) / f"{_stem(name)}-{hashlib.sha256(image).hexdigest()[:6]}.jpg"
            replace_file(path, image)
            return path

        path = await _in_thread(keep)
        self._given(str(path))
        return web.json_response({"name": path.stem, "path": str(path)}, headers=HEADERS)

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        path = _named(self._guides, request.query.get("name", ""))

        def remove() -> None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise OutputError(f"cannot delete {path}: {error.strerror}") from error

        await _in_thread(remove)
        return web.json_response({}, headers=HEADERS)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        return await _image(_named(self._guides, request.path.removeprefix("/guides/")))

    async def _scene(self, request: web.Request) -> web.StreamResponse:
        return await _image(_named(self._scenes, request.query.get("scene", "")))

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        name = request.query.get("scene", "")
        if not SCENE_NAME.fullmatch(name):
            raise web.HTTPBadRequest(text=f"invalid scene name {quoted(name)}\n", headers=HEADERS)
        data = await self._body(request, _LARGEST_TILE_BYTES)
        await _in_thread(lambda: replace_file(create(self._scenes) / f"{name}.jpg", cleaned(data, _TILE_PX)))
        return web.json_response({}, headers=HEADERS)

    async def _body(self, request: web.Request, largest: int) -> bytes:
        """What is sent, up to ``largest`` bytes, from a few at a time and not for ever."""
        from aiohttp import web

        too_large = web.HTTPRequestEntityTooLarge(
            largest,
            request.content_length or 0,
            text=f"too large: up to {largest // 1_000_000} MB are possible\n",
            headers=HEADERS | {"Connection": "close"},
        )
        if (request.content_length or 0) > largest:
            raise too_large
        if self._busy >= _AT_ONCE:
            raise web.HTTPServiceUnavailable(text="other images are coming; try again\n", headers=HEADERS)
        self._busy += 1
        data = bytearray()
        try:
            async with asyncio.timeout(_SLOWEST_S):
                async for chunk in request.content.iter_chunked(64 * 1024):
                    data += chunk
                    if len(data) > largest:
                        raise too_large
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(text="the image came too slowly\n", headers=HEADERS) from error
        finally:
            self._busy -= 1
        return bytes(data)


def _stem(name: str) -> str:
    """What of a file's name a guide is called by."""
    stem = Path(name.replace("\\", "/")).stem
    return re.sub(r"[^\w -]+", "", stem).strip()[:40] or "guide"


def _jpegs(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".jpg")
    except OSError:
        return []


def _named(folder: Path, name: str) -> Path:
    """The JPEG of this name, if it is one of those in ``folder``."""
    from aiohttp import web

    for path in _jpegs(folder):
        if path.stem == name:
            return path
    raise web.HTTPNotFound(text=f"no image {quoted(name)}\n", headers=HEADERS)


async def _image(path: Path) -> web.StreamResponse:
    from aiohttp import web

    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise web.HTTPNotFound(text=f"{path.stem} cannot be read\n", headers=HEADERS) from error
    return web.Response(body=content, content_type="image/jpeg", headers=HEADERS)


async def _in_thread(work: Callable[[], T]) -> T:
    """``work`` on a thread; its errors, as one line for the page."""
    from aiohttp import web

    try:
        return await asyncio.to_thread(work)
    except LivedreamError as error:
        kind = web.HTTPBadRequest if isinstance(error, UsageError) else web.HTTPInsufficientStorage
        raise kind(text=f"{error}\n", headers=HEADERS) from error
