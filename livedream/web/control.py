"""The control page: all settings, scenes and commands in a browser, on as many pages as there are hands.

    /control         a WebSocket: parts of the state out, actions in, both as JSON
    /sources.json    the sources that may be chosen

A page is told each part of the state that has changed; see :mod:`livedream.web.wire` for what it may ask.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.controls.actions import Action, Command, Set
from livedream.controls.desk import Desk
from livedream.controls.port import Change, Inbox, Refusal
from livedream.errors import UsageError
from livedream.places import guides_dir
from livedream.web.log_tail import LogTail
from livedream.web.site import HEADERS, Site
from livedream.web.state import Allowance, State
from livedream.web.uploads import Uploads
from livedream.web.wire import action_of, patch_state, schema

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

_PAGES = 32
#: Parts are sent at most this often, and the desk is looked at so often while a page is open.
_SEND_S, _LOOK_S, _STATUS_S = 0.04, 0.25, 1.0
#: A slider sends 30 values a second, and somebody may have two hands.
_RATE, _BURST, _PATIENCE = 120.0, 240.0, 2000
_LARGEST_BYTES = 16 * 1024
_STALLED_S, _HEARTBEAT_S = 10.0, 20.0
#: What a page shows of the statistics.
_STATUS = (
    *("display_fps", "dream_fps", "latency_ms", "interval_ms", "renderer", "picture_size", "dropped"),
    *("layer", "network", "backend", "working_size", "words", "recognised", "source", "message"),
    *("presence", "attract", "recording_s", "faults", "rss_mb"),
)


class ControlPage:
    """A control that answers to pages in browsers; see :class:`livedream.controls.port.Control`.

    ``scenes`` is the folder of the user's own scenes. ``sources`` looks which sources may be chosen, and
    gives each a name; it may take a moment.
    """

    name = "page"

    def __init__(
        self,
        site: Site,
        desk: Desk,
        scenes: Path,
        sources: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._desk, self._closed = desk, False
        self._inbox = Inbox()
        self._guides = guides_dir()
        self._look_for_sources, self._sources = sources, dict[str, str]()
        self._uploads = Uploads(site, self._guides, scenes, self._give)
        self._log = LogTail(site)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending = False
        # All of these belong to the server's thread.
        self._state = State()
        self._state.put("schema", {"settings": schema(), "commands": [command.value for command in Command]})
        self._pages: set[asyncio.Event] = set()
        self._looked_s = self._status_s = -_STATUS_S
        self._refusals: list[Refusal] = []
        site.add("/control", self._socket)
        site.add("/sources.json", self._list_sources)

    def poll(self) -> list[Action]:
        """See :class:`livedream.controls.port.Control`."""
        return self._inbox.take()

    def announce(self, news: Change | Refusal) -> None:
        """Tell all pages soon."""
        if isinstance(news, Refusal):
            self._refusals = [*self._refusals[-9:], news]
        loop = self._loop
        if loop is not None and self._pages and not self._pending:
            self._pending = True
            with contextlib.suppress(RuntimeError):  # the server has crashed, or is closed
                loop.call_soon_threadsafe(self._look)

    def close(self) -> None:
        """Serve no new pages; the server disconnects those that there are. May be called twice."""
        self._closed = True
        self._log.close()

    def _give(self, guide: str) -> None:
        self._inbox.put(Set("guide", guide))

    def _look(self) -> None:
        """Take what is new from the desk, and wake the pages that have to be told."""
        self._pending = False
        view, state = self._desk.view, self._state
        refusals, self._refusals = self._refusals, []
        # A refused slider has to go back to where it was, though the setting has not changed.
        new = state.put("settings", view.settings.as_dict(), again=bool(refusals))
        new |= state.put("lists", {name: list(values) for name, values in view.lists.items()})
        scenes = [[title.name, title.title, title.key, title.own] for title in view.scenes]
        new |= state.put("scenes", {"scenes": scenes, "scene": view.scene})
        new |= state.put("messages", [text for text in dict.fromkeys(view.messages) if text])
        for refusal in refusals:
            new |= state.put("refusal", refusal.reason, again=True)
        new |= state.put("patch", patch_state(view))
        new |= state.put("cue", asdict(view.cue))
        new |= state.put("learn", {"can": self._desk.can_learn, "setting": self._desk.learning})
        now = self._looked_s = time.monotonic()
        if now - self._status_s >= _STATUS_S:
            self._status_s = now
            new |= state.put("status", {name: view.status.get(name) for name in _STATUS})
            new |= state.put("guides", self._uploads.guides())
            new |= state.put("pictures", self._uploads.pictures())
        if new:
            for page in self._pages:
                page.set()

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        if self._closed or len(self._pages) >= _PAGES:
            full = f"{_PAGES} control pages are open, and no more may be; close one\n"
            text = "the mirror is closed\n" if self._closed else full
            raise web.HTTPServiceUnavailable(text=text, headers=HEADERS)
        socket = web.WebSocketResponse(
            heartbeat=_HEARTBEAT_S, compress=False, max_msg_size=_LARGEST_BYTES, timeout=1.0
        )
        news = asyncio.Event()
        self._pages.add(news)  # before it is prepared: many may come at once
        self._loop = asyncio.get_running_loop()
        tasks = []
        try:
            await socket.prepare(request)
            tasks = [asyncio.create_task(work) for work in (self._send(socket, news), self._watch())]
            await self._receive(socket)
        finally:
            self._pages.discard(news)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return socket

    async def _list_sources(self, request: web.Request) -> web.StreamResponse:
        """The sources that there are now; only these may be chosen."""
        from aiohttp import web

        self._sources = dict(await asyncio.to_thread(self._look_for_sources))
        return web.json_response(list(self._sources.items()), headers=HEADERS)

    async def _watch(self) -> None:
        while True:
            if not self._pending and time.monotonic() - self._looked_s > 0.9 * _LOOK_S:
                self._look()  # one page looks for all
            await asyncio.sleep(_LOOK_S)

    async def _send(self, socket: web.WebSocketResponse, news: asyncio.Event) -> None:
        """Send one page what it has not seen, until it takes nothing for too long."""
        seen: dict[str, int] = {}
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                for text in self._state.since(seen):
                    async with asyncio.timeout(_STALLED_S):
                        await socket.send_str(text)
                await news.wait()
                news.clear()
                await asyncio.sleep(_SEND_S)
        await socket.close()

    async def _receive(self, socket: web.WebSocketResponse) -> None:
        from aiohttp import web

        allowance = Allowance(_RATE, _BURST, time.monotonic())
        async for message in socket:
            if message.type is not web.WSMsgType.TEXT:
                break
            if not allowance.take(time.monotonic()):
                if allowance.refused > _PATIENCE:
                    log.warning("a control page sent too many messages and was disconnected")
                    break
                continue
            try:
                action = action_of(json.loads(message.data), self._desk.view, self._guides, self._sources)
            except (UsageError, ValueError, RecursionError) as error:
                text = str(error) if isinstance(error, UsageError) else "a message is not JSON"
                data = {"part": "refusal", "revision": 0, "data": text}
                await socket.send_str(json.dumps(data))
            else:
                self._inbox.put(action)
