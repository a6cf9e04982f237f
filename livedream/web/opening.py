"""Opens the page where it was asked for: for this machine, or for others, too."""

from __future__ import annotations

import logging

from livedream.errors import OutputError
from livedream.health.vitals import Vitals
from livedream.web.access import is_loopback
from livedream.web.preview import Preview
from livedream.web.site import Site
from livedream.web.token import kept_token, token_path

log = logging.getLogger(__name__)

#: If its port is taken, the page tries the following ones, this many in all.
_PORTS = 10


def open_preview(
    listen: tuple[str, int | None] | None, token: str, port: int, site: Site, vitals: Vitals
) -> Preview:
    """The page on ``port`` of this machine alone, or the next free one; for others at ``listen``, or nowhere.

    ``listen`` is (address, port), a port of None being ``port``. Without a ``token`` others need the one that
    this machine keeps. Raises ``OutputError`` if all ports are taken, or the address is not this machine's.
    """
    if listen is not None:
        host, given = listen
        kept = ""
        if not token and not is_loopback(host):
            token, kept = kept_token(), f"; its token is in {token_path()}"
        preview = Preview(
            host=host, port=port if given is None else given, token=token, site=site, vitals=vitals
        )
        log.info("page: %s%s", preview.url, kept)
        return preview
    for candidate in range(port, port + _PORTS):
        try:
            preview = Preview(port=candidate, site=site, vitals=vitals)
        except OutputError as error:
            log.warning("%s", error)
            continue
        log.info("page: %s", preview.url)
        return preview
    raise OutputError(f"no page: ports {port} to {port + _PORTS - 1} are all taken")
