"""Announces OSC in the local network (mDNS, Bonjour), so that other programs list the mirror by themselves.

``_osc._udp`` is the port of OSC, ``_oscjson._tcp`` that of OSCQuery. Needs the package zeroconf.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

log = logging.getLogger(__name__)

OSC, OSCQUERY = "_osc._udp.local.", "_oscjson._tcp.local."


class Announcement:
    """Announces the ports until it is closed, from threads of its own. ``oscquery`` is 0 for none.

    A network that cannot be announced to is logged, and costs nothing else.
    """

    def __init__(self, osc: int, oscquery: int, name: str = "") -> None:
        self._ports = {OSC: osc, OSCQUERY: oscquery}
        self._name = name or f"livedream on {socket.gethostname().partition('.')[0]}"
        self._lock = threading.Lock()
        self._closed = False
        self._zeroconf: Zeroconf | None = None
        self._thread = threading.Thread(target=self._announce, name="mdns", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take it back. May be called twice."""
        with self._lock:
            self._closed = True
            zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            zeroconf.close()

    def _announce(self) -> None:
        from zeroconf import Error, Zeroconf

        try:
            zeroconf = Zeroconf()
            with self._lock:
                self._zeroconf = zeroconf
                if self._closed:
                    zeroconf.close()
                    return
            for service in self._services():
                zeroconf.register_service(service, allow_name_change=True)
            log.info("OSC: announced in the network as %r", self._name)
        except (Error, OSError, RuntimeError) as error:
            if not self._closed:
                log.warning("OSC cannot be announced in the network: %s", error or type(error).__name__)

    def _services(self) -> list[ServiceInfo]:
        from zeroconf import ServiceInfo

        host = socket.gethostname().partition(".")[0]
        return [
            ServiceInfo(
                kind,
                f"{self._name}.{kind}",
                port=port,
                addresses=_own_addresses(),
                server=f"{host}.local.",
                properties={"txtvers": "1"},
            )
            for kind, port in self._ports.items()
            if port
        ]


def _own_addresses() -> list[bytes]:
    """The IPv4 addresses by which others reach this machine."""
    import psutil

    found = [a.address for each in psutil.net_if_addrs().values() for a in each if a.family == socket.AF_INET]
    return [socket.inet_aton(address) for address in found if not address.startswith("127.")]
