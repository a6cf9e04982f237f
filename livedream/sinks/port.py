"""The port that every output implements: window, page, recording.

:class:`Sinks` guards them: a sink that raises is retired, reported once and opened again after a while if
that is possible. The others are not affected.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from livedream.errors import LivedreamError
from livedream.frame import Array, Image
from livedream.resource import Resource

log = logging.getLogger(__name__)

#: A failed sink is opened again after the first delay; the delay doubles up to the longest.
FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 60.0
#: A sink that worked for this long starts with the first delay again.
HEALTHY_S = 10.0


@dataclass(frozen=True)
class Stamp:
    """The camera frame that a picture was made from: its index and capture time (monotonic, s).

    -1 and 0.0 before the first frame.
    """

    index: int
    captured_s: float


class OutputState(msgspec.Struct, frozen=True):
    """How an output is: ``on``, ``opening``, ``failed`` and tried again, or ``stuck``: it takes no pictures.

    ``since`` is when that began, in whole seconds since 1970; ``dropped`` pictures came while it was busy.
    ``detail`` is what it writes to, or why it failed.
    """

    name: str
    state: str
    since: int
    dropped: int = 0
    detail: str = ""


class Sink(Protocol):
    """An output for pictures."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp) -> None:
        """Take a picture: RGB uint8 (H, W, 3), upright. Must not block; must copy what it keeps.

        ``overlay`` is RGBA uint8 (H, W, 4) of any size, drawn over the picture on a screen. A sink that
        raises is retired.
        """

    def close(self) -> None:
        """Release what the sink holds. May be called twice."""


@dataclass
class _Entry:
    """A sink, or how and when to open it."""

    name: str
    sink: Sink | None
    open: Callable[[], Sink] | None
    retry_s: float = FIRST_RETRY_S
    due_s: float = 0.0
    opened_s: float | None = None  # the first picture since it was opened
    failed: bool = False
    reason: str = ""
    since: float = field(default_factory=time.time)

    @property
    def state(self) -> OutputState:
        state = getattr(self.sink, "state", None)
        if isinstance(state, OutputState):  # it has a thread of its own, and knows better
            return state
        word = "on" if self.sink is not None else "failed" if self.failed else "opening"
        detail = getattr(self.sink, "detail", "") if word == "on" else self.reason
        return OutputState(self.name, word, round(self.since), getattr(self.sink, "dropped", 0), detail)


class Sinks(Resource):
    """All outputs of a show, each guarded. Times are ``now``, in seconds on one clock."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._faults: list[str] = []

    def __contains__(self, sink: object) -> bool:
        """Whether ``sink`` takes pictures now."""
        return any(entry.sink is sink for entry in self._entries if entry.sink is not None)

    def add(self, sink: Sink, reopen: Callable[[], Sink] | None = None) -> None:
        """Send pictures to ``sink`` from now on. ``reopen`` opens it again after a failure."""
        self._entries.append(_Entry(sink.name, sink, reopen))

    def add_later(self, name: str, open: Callable[[], Sink]) -> None:
        """Open a sink with the next picture; if that fails, retry as after any other failure."""
        self._entries.append(_Entry(name, None, open))

    @property
    def states(self) -> tuple[OutputState, ...]:
        """How each of them is."""
        return tuple(entry.state for entry in self._entries)

    @property
    def failing(self) -> tuple[str, ...]:
        """The names of those that have failed, and are opened again after a while."""
        return tuple(state.name for state in self.states if state.state in ("failed", "stuck"))

    def remove(self, sink: Sink) -> None:
        """Send no more pictures to ``sink`` and don't open it again. Does not close it."""
        self._entries = [entry for entry in self._entries if entry.sink is not sink]

    def open_due(self, now: float) -> bool:
        """Open what is due to be opened; whether anything was."""
        waiting = [entry for entry in self._entries if entry.sink is None]
        for entry in waiting:
            self._open(entry, now)
        return any(entry.sink is not None for entry in waiting)

    def shut(self, name: str) -> None:
        """Close the sink called ``name``, if it is open, until it is opened again."""
        for entry in self._entries:
            if entry.name == name and entry.open is not None and entry.sink is not None:
                sink, entry.sink = entry.sink, None
                _close(entry.name, sink)

    def reopen(self, name: str, now: float) -> bool:
        """Close the sink called ``name``, if it is open, and open it again; whether it is open now."""
        self.shut(name)
        for entry in self._entries:
            if entry.name == name and entry.open is not None:
                entry.due_s = now
                self._open(entry, now)
                return entry.sink is not None
        return False

    def watched_apart_from(self, sink: Sink | None) -> bool:
        """Whether any sink but this one wants pictures now: one says no by an attribute ``watched``."""
        others = (entry.sink for entry in self._entries if entry.sink not in (None, sink))
        return any(getattr(other, "watched", True) for other in others)

    def show(
        self, picture: Image, overlay: Array | None, stamp: Stamp, now: float, apart_from: Sink | None = None
    ) -> None:
        """Open what is due, then give every sink the picture, except ``apart_from``."""
        self.open_due(now)
        for entry in list(self._entries):
            if entry.sink is None or entry.sink is apart_from:
                continue
            with self.guarded(entry.sink, now):
                entry.sink.show(picture, overlay, stamp)
                entry.opened_s = now if entry.opened_s is None else entry.opened_s
                if now - entry.opened_s >= HEALTHY_S:
                    entry.retry_s = FIRST_RETRY_S

    @contextmanager
    def guarded(self, sink: Sink, now: float) -> Iterator[None]:
        """Retire ``sink`` if the block raises; the exception goes no further."""
        try:
            yield
        except Exception as error:  # whatever a library raises: the show goes on
            for entry in [entry for entry in self._entries if entry.sink is sink]:
                self._retire(entry, error, now)

    def faults(self) -> list[str]:
        """What has failed or recovered since the last call, one line each."""
        faults, self._faults = self._faults, []
        return faults

    def close(self) -> None:
        """Close all sinks."""
        entries, self._entries = self._entries, []
        for entry in entries:
            if entry.sink is not None:
                _close(entry.name, entry.sink)

    def _open(self, entry: _Entry, now: float) -> None:
        if entry.open is None or now < entry.due_s:
            return
        try:
            entry.sink = entry.open()
        except Exception as error:
            text = self._postpone(entry, error, now)
            if entry.failed:
                log.info("%s", text)
            else:
                self._report(text, error)
                entry.since = time.time()
            entry.failed = True
            return
        entry.opened_s, entry.since = None, time.time()
        if entry.failed:
            log.info("%s is back", entry.name)
            self._faults.append(f"{entry.name} is back")
        entry.failed = False

    def _retire(self, entry: _Entry, error: Exception, now: float) -> None:
        sink, entry.sink, entry.failed, entry.since = entry.sink, None, True, time.time()
        if entry.open is None:
            self._entries.remove(entry)
            self._report(_reason(entry.name, error), error)
        else:
            self._report(self._postpone(entry, error, now), error)
        if sink is not None:
            _close(entry.name, sink)

    def _postpone(self, entry: _Entry, error: Exception, now: float) -> str:
        entry.reason = _reason(entry.name, error)
        text = f"{entry.reason}; retrying in {entry.retry_s:.0f} s"
        entry.due_s = now + entry.retry_s
        entry.retry_s = min(LONGEST_RETRY_S, 2 * entry.retry_s)
        return text

    def _report(self, text: str, error: Exception) -> None:
        log.error("%s", text, exc_info=None if isinstance(error, LivedreamError) else error)
        self._faults.append(text)


def _reason(name: str, error: Exception) -> str:
    if isinstance(error, LivedreamError):
        return str(error)
    return f"{name} failed: {str(error) or type(error).__name__}"


def _close(name: str, sink: Sink) -> None:
    try:
        sink.close()
    except Exception as error:
        log.warning("%s could not be closed: %s", name, error)
