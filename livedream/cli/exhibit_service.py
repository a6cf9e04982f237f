"""What ``livedream doctor --exhibit`` says of the service, and of the mirror that it has started."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livedream.watch.units import NAME

#: (mark, what was looked at, what was found, how to fix it), as doctor prints them.
Finding = tuple[str, str, str, str]

_DEFAULT_PORT = 8400
_LOOPBACK = ("127.", "::1")
_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Installed:
    """A unit of systemd: its path, the words of its command line, who runs it (a kiosk's)."""

    path: Path
    words: tuple[str, ...]
    user: str | None
    is_kiosk: bool

    @property
    def who(self) -> tuple[str, ...]:
        """What ``systemctl`` needs to know about whose unit it is."""
        return () if self.is_kiosk else ("--user",)

    def has(self, *flags: str) -> bool:
        """Whether the mirror is started with one of these."""
        return any(word.split("=")[0] in flags for word in self.words)

    def value(self, flag: str, otherwise: str) -> str:
        """What follows a flag."""
        for word, following in zip(self.words, (*self.words[1:], ""), strict=True):
            if word == flag:
                return following
            if word.startswith(f"{flag}="):
                return word.partition("=")[2]
        return otherwise


def find_services(root: Path) -> list[Installed]:
    """The units that are installed, the kiosk's first."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    name = f"{NAME}.service"
    found = []
    for path, is_kiosk in (
        (root / "etc/systemd/system" / name, True),
        (config / "systemd/user" / name, False),
    ):
        with suppress(OSError):
            text = path.read_text("utf-8", "replace")
            (command,) = re.findall(r"^ExecStart=(.*)", text, re.M)[:1] or [""]
            user = re.search(r"^User=(\S+)", text, re.M)
            # The mirror's command line may be one word of a shell's or labwc's: quotes within quotes.
            words = tuple(re.findall(r"[^\s\"'\\;]+", command))
            found.append(Installed(path, words, user and user[1], is_kiosk))
    return found


def service_report(services: Sequence[Installed], ask: Callable[..., str | None]) -> Iterator[Finding]:
    """What is to be said of the services that are installed."""
    if not services:
        yield "!!", "service", "not installed: nothing starts the mirror", "livedream service install"
    for service in services:
        yield from _started(service, ask)
        yield from _options(service)
    if len(services) > 1:
        yield "!!", "service", "two are installed, and both want the screen", "livedream service uninstall"
    for service in services[:1]:
        yield from _answers(service)
    yield from _listeners()


def _started(service: Installed, ask: Callable[..., str | None]) -> Iterator[Finding]:
    control = ("systemctl", *service.who)
    enabled = ask(*control, "is-enabled", service.path.name)
    if enabled is None:
        found = f"{service.path} is not enabled: it does not start by itself"
        yield "!!", "service", found, f"{' '.join(control)} enable {NAME}"
    else:
        yield "ok", "service", f"{service.path}, {enabled}", ""
    said = ask(*control, "show", "--property=ActiveState", "--property=StatusText", service.path.name) or ""
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if values.get("ActiveState", "active") != "active":
        found = f"it does not run now: {values['ActiveState']}"
        yield "!!", "service", found, f"{' '.join(control)} restart {NAME}"
    elif values.get("StatusText"):
        yield "ok", "service", f"it says: {values['StatusText']}", ""


def _options(service: Installed) -> Iterator[Finding]:
    source = service.value("--source", "auto")
    if "://" not in source and not source.startswith(("/dev/v4l/by-", "usb:")):
        text = "the service does not name its camera by what survives replugging"
        yield "--", "service", text, "livedream service install --source SPEC, as livedream doctor lists it"
    if not service.has("--hours"):
        found = "no opening hours: it is open day and night"
        yield "--", "service", found, "add --hours if it should close"
    if "://" not in source and not service.has("--camera-lock", "--camera-set"):
        found = "the camera sets its exposure and white balance itself: the dream follows the light"
        yield "--", "camera", found, "add --camera-lock 10"
    if service.has("--alert"):
        found = "somebody is told when something is wrong; to try it: livedream doctor --alert …"
        yield "ok", "alert", found, ""
    else:
        yield "--", "alert", "nobody is told when something is wrong", "add --alert; see docs/watching.md"


def _answers(service: Installed) -> Iterator[Finding]:
    if not service.has("--page", "--preview", "--headless", "--listen"):
        found = "nobody can ask the mirror how it is: there is no page"
        yield "--", "page", found, "add --page; it is for this machine only"
        return
    port = service.value("--port", str(_DEFAULT_PORT))
    url = f"http://127.0.0.1:{port}/healthz"
    said = health(url)
    if said is None:
        yield "!!", "page", f"{url} does not answer", "livedream service status"
    elif said.get("ok"):
        degraded = "; ".join(trouble["text"] for trouble in said.get("degraded", ()))
        mark = "!!" if degraded else "ok"
        yield mark, "page", f"{url}: {said.get('state')}{f', but {degraded}' if degraded else ''}", ""
    else:
        yield "!!", "page", f"{url}: {'; '.join(said.get('why', ())) or 'not well'}", ""


def health(url: str) -> dict[str, Any] | None:
    """What ``/healthz`` says, whatever its status; None where nothing answers."""
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    try:
        try:
            answer = build_opener(ProxyHandler({})).open(url, timeout=_TIMEOUT_S)
        except HTTPError as error:  # 503 says why
            answer = error
        with answer:
            found = json.loads(answer.read(1 << 20))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _listeners() -> Iterator[Finding]:
    """Who else in the network can reach a mirror that runs now."""
    import psutil

    addresses = set()
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or ()
        if not any("livedream" in word or word.endswith("live.py") for word in words):
            continue
        with suppress(psutil.Error):
            connections = process.net_connections("inet")
            addresses |= {
                (c.laddr.ip, c.laddr.port)
                for c in connections
                if c.laddr and (c.status == psutil.CONN_LISTEN or not c.raddr)
            }
    open_to_all = sorted(f"{ip}:{port}" for ip, port in addresses if not ip.startswith(_LOOPBACK))
    if open_to_all:
        found = f"others in the network reach {', '.join(open_to_all)}"
        yield "--", "network", found, "without --listen, --osc 0.0.0.0 and --dmx nobody does"
    elif addresses:
        yield "ok", "network", "nothing of the mirror can be reached from the network", ""
