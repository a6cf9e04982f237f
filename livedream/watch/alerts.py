"""Tells whoever is responsible when something is wrong, and when it is well again: an address, or a command.

What is sent is a message of a few words; see :func:`message`. Nothing is sent that was not asked for.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from livedream.errors import UsageError, quoted
from livedream.resource import Resource
from livedream.timing import restart_delay_s

log = logging.getLogger(__name__)

#: Something is told when it has lasted this long, and is over when it was gone for as long: a camera that is
#: plugged in anew is no alert. What comes and goes is told this often at most; what stays, again each hour.
HOLD_S, INTERVAL_S, REMIND_S = 15.0, 600.0, 3600.0
#: So many shows that failed within this time are too many. One alone is in the day's report.
MANY_RESTARTS, RESTARTS_S = 3, 300.0
#: For an answer, or a command's end. A message that could not be delivered is tried again for an hour.
_TIMEOUT_S, _PATIENCE_S = 10.0, 3600.0
_WAITING, _CLOSE_S = 50, 3.0

DEGRADED: Final = "degraded"
REMINDER: Final = "reminder"
RECOVERED: Final = "recovered"
REPORT: Final = "report"
TEST: Final = "test"


@dataclass(frozen=True)
class Notice:
    """One message. ``event`` is one of those above, ``kind`` what is wrong, ``since`` when (wall clock)."""

    event: str
    kind: str
    text: str
    since: float


@dataclass
class _Alarm:
    since: float  # wall clock
    seen_s: float
    gone_s: float | None = None
    told_s: float | None = None


class Alarms:
    """Decides what is told, and when. Pure: ``now`` is monotonic, ``wall`` the clock on the wall, in seconds.

    ``told`` are the alarms of an earlier process that nobody has called off yet: kind to since when (wall).
    Kinds ``at_once`` are told without waiting whether they last.
    """

    def __init__(self, told: Mapping[str, float] | None = None, at_once: Collection[str] = ()) -> None:
        self._at_once = at_once
        self._alarms = {kind: _Alarm(since, 0.0, None, 0.0) for kind, since in (told or {}).items()}
        self._last_s: dict[str, float] = {}  # when a kind was last told to be wrong

    @property
    def told(self) -> dict[str, float]:
        """What was told to be wrong and not called off, and since when it is (wall clock)."""
        return {kind: alarm.since for kind, alarm in self._alarms.items() if alarm.told_s is not None}

    def look(
        self, troubles: Mapping[str, str], now: float, wall: float, only: Collection[str] | None = None
    ) -> list[Notice]:
        """What is to be told now, when ``troubles`` are wrong: kind to text.

        With ``only`` nothing is known of other kinds: what was told of them stays as it is.
        """
        notices = []
        for kind, text in troubles.items():
            alarm = self._alarms.setdefault(kind, _Alarm(wall, now))
            alarm.gone_s = None
            event = self._due(kind, alarm, now)
            if event:
                alarm.told_s = self._last_s[kind] = now
                notices.append(Notice(event, kind, text, alarm.since))
        for kind in [k for k in self._alarms if k not in troubles and (only is None or k in only)]:
            alarm = self._alarms[kind]
            alarm.gone_s = now if alarm.gone_s is None else alarm.gone_s
            if now - alarm.gone_s >= self._hold_of(kind):
                del self._alarms[kind]
                if alarm.told_s is not None:
                    lasted = _duration(wall - (now - alarm.gone_s) - alarm.since)
                    notices.append(
                        Notice(RECOVERED, kind, f"{kind} is well again, after {lasted}", alarm.since)
                    )
        return notices

    def _due(self, kind: str, alarm: _Alarm, now: float) -> str:
        if alarm.told_s is not None:
            return REMINDER if now - alarm.told_s >= REMIND_S else ""
        lasted = now - alarm.seen_s >= self._hold_of(kind)
        return DEGRADED if lasted and now - self._last_s.get(kind, -INTERVAL_S) >= INTERVAL_S else ""

    def _hold_of(self, kind: str) -> float:
        return 0.0 if kind in self._at_once else HOLD_S


def _duration(seconds: float) -> str:
    for unit, name in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def message(notice: Notice, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is sent of a notice. ``text`` says it all in one line: chat programs show that."""
    host = socket.gethostname()
    return {
        "text": f"livedream on {host}: {notice.event}: {notice.text}",
        "event": notice.event,
        "kind": notice.kind,
        "message": notice.text,
        "host": host,
        "since": _iso(notice.since),
        "time": _iso(time.time()),
        **(more or {}),
    }


def _iso(wall: float) -> str:
    return datetime.fromtimestamp(wall).astimezone().isoformat(timespec="seconds")


def parse_hook(text: str) -> str:
    """An address or a command as ``--alert`` takes it. Raises ``UsageError`` for one that cannot be."""
    if "://" in text.split(" ")[0]:
        if not text.startswith(("http://", "https://")) or len(text.split()) != 1 or not _has_host(text):
            raise UsageError(f"invalid alert {quoted(text)}: expected http://…, https://… or a command")
        return text
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"invalid alert {quoted(text)}: {error}") from error
    if not words:
        raise UsageError("invalid alert '': expected http://…, https://… or a command")
    return text


def _has_host(address: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, say
        return False


def hook_name(target: str) -> str:
    """What the log calls a hook: its host or its program. The rest of an address may be a secret."""
    if "://" in target:
        scheme, _, rest = target.partition("://")
        return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"
    return shlex.split(target)[0]


def deliver(target: str, content: Mapping[str, Any]) -> None:
    """Send a message: POST as JSON to an address, or run a command. Raises ``OSError`` when that fails.

    A command gets the JSON on its standard input, and its parts in the environment, ``LIVEDREAM_ALERT_TEXT``
    and so on. It has ten seconds.
    """
    body = json.dumps(content, ensure_ascii=False).encode()
    if "://" in target:
        _post(target, body)
    else:
        _run(target, body, content)


def _post(url: str, body: bytes) -> None:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        """Nothing is sent anywhere else."""

        def redirect_request(self, *_: Any) -> None:
            return None

    head = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "livedream"}
    try:
        with build_opener(Stay).open(Request(url, body, head, method="POST"), timeout=_TIMEOUT_S):
            pass
    except HTTPError as error:
        with error:
            raise OSError(f"it answered {error.code} {error.reason}") from None
    except URLError as error:
        raise OSError(getattr(error.reason, "strerror", None) or str(error.reason)) from error
    except (HTTPException, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _run(command: str, body: bytes, content: Mapping[str, Any]) -> None:
    parts = {f"LIVEDREAM_ALERT_{name.upper()}": str(value) for name, value in content.items()}
    process = subprocess.Popen(
        shlex.split(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=os.environ | parts,
        start_new_session=True,
    )
    try:
        process.communicate(body, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        with suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        raise OSError(f"it did not end within {_TIMEOUT_S:.0f} s") from None
    if process.returncode:
        raise OSError(f"exit code {process.returncode}")


class Hook(Resource):
    """One address or command, with a thread of its own: :meth:`send` never waits.

    A message that cannot be delivered is tried again; the log says so once, and once when it works again.
    """

    def __init__(self, target: str) -> None:
        self.sent = self.failed = 0
        self._target, self._name = target, hook_name(target)
        self._waiting: queue.Queue[tuple[float, Mapping[str, Any]] | None] = queue.Queue(_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def send(self, content: Mapping[str, Any]) -> None:
        """Have a message delivered soon. With very many waiting, it is lost, and counted."""
        try:
            self._waiting.put_nowait((time.monotonic(), content))
        except queue.Full:
            self.failed += 1

    def close(self) -> None:
        """Deliver what waits, as far as that takes a few seconds. May be called twice."""
        if not self._closing.is_set():
            self._closing.set()
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        failures = 0
        while (item := self._waiting.get()) is not None:
            asked_s, content = item
            while True:
                try:
                    deliver(self._target, content)
                except Exception as error:  # whatever a library raises: the thread goes on
                    failures += 1
                    self.failed += 1
                    if failures == 1:
                        log.error("an alert to %s failed: %s; trying again", self._name, error)
                    self._closing.wait(restart_delay_s(failures + 1))
                    if self._closing.is_set() or time.monotonic() - asked_s > _PATIENCE_S:
                        break
                else:
                    if failures:
                        log.info("alerts to %s work again, after %d failures", self._name, failures)
                    failures = 0
                    self.sent += 1
                    break
