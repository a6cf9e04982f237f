"""What OSC hears and says, and all that it understands, for the page.

/osc.json              the port, the last messages, what was refused
/osc/addresses.json    every address with its type, range and help
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from livedream.controls.osc_addresses import addresses
from livedream.web.site import HEADERS, Site

if TYPE_CHECKING:
    from aiohttp import web

    from livedream.controls.osc import Osc

#: A page shows no more messages than these.
_SHOWN = 60


def add_osc_monitor(site: Site, osc: Osc) -> None:
    """Let ``site`` tell what ``osc`` hears."""

    async def monitor(request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        heard = [
            {
                "at": datetime.fromtimestamp(one.time_s).astimezone().strftime("%H:%M:%S"),
                "direction": one.direction,
                "peer": one.peer,
                "address": one.address,
                "arguments": [str(argument) for argument in one.arguments],
                "verdict": one.verdict,
            }
            for one in osc.monitor()[-_SHOWN:]
        ]
        told = {"listens": list(osc.address), "counts": dict(osc.counts), "heard": heard}
        return web.json_response(told, headers=HEADERS)

    async def listed(request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        found = [[one.path, one.types, one.possible, one.help] for one in addresses(osc.view)]
        return web.json_response(found, headers=HEADERS)

    site.add("/osc.json", monitor)
    site.add("/osc/addresses.json", listed)
