"""What programs ask the mirror, each a route of its own: is it well, and how is it?

    /healthz    200 while valid pictures are produced, else 503; JSON says why

Everything is judged when it is asked for, so it is right although the show's loop hangs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livedream.health.vitals import Vitals
from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web


class Watching:
    """The routes about ``vitals``."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def add_to(self, site: Site) -> None:
        """Serve the routes. They say nothing about visitors, and programs ask them without a token."""
        site.add("/healthz", self._healthz, public=True)

    def ages(self) -> dict[str, Any]:
        """What ``/status.json`` says beside the statistics: ``ok``, the ages, what is degraded."""
        condition = self._vitals.condition().as_dict()
        return {name: condition[name] for name in ("ok", *_AGES, "degraded")}

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        condition = self._vitals.condition()
        status = 200 if condition.ok else 503
        return web.json_response(condition.as_dict(), status=status, headers=HEADERS)


_AGES = ("picture_age_s", "frame_age_s", "tick_age_s")
