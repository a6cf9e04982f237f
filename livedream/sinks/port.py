"""The port that every output plugs into: a window, a page, a recording.

:class:`Sinks` guards each: one that raises is retired, said once, and opened again after a while if it can
be; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livedream.frame import Array, Image

log = logging.getLogger(__name__)

#: A sink that failed is opened again after this long, then after twice as long, up to the last.
_FIRST_RETRY_S, _LONGEST_RETRY_S = 2.0, 60.0


@dataclass(frozen=True)
class Stamp:
    """Which picture it is: the index of its camera frame, and when that was captured (monotonic, s)."""

    index: int
    captured_s: float


class Sink(Protocol):
    """Somewhere that pictures go."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp) -> None:
        """Take a picture: RGB uint8 (H, W, 3), upright. Copy it to keep it; never wait for anybody.

        ``overlay`` is RGBA uint8 (H, W, 4) of any size, to be laid over it where people look at a screen.
        Whatever is raised retires the sink.
        """

    def close(self) -> None:
        """Finish and give back what it holds. May be called twice."""


@dataclass
class _Place:
    """A sink, or how to open it again and when."""

    name: str
    sink: Sink | None
    open: Callable[[], Sink] | None
    retry_s: float = _FIRST_RETRY_S
    due_s: float = 0.0


class Sinks:
    """All outputs of a show, each guarded. Times are ``now``, in seconds of one clock."""

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._faults: list[str] = []

    def add(self, sink: Sink, reopen: Callable[[], Sink] | None = None) -> None:
        """Send pictures to ``sink`` from now on; ``reopen`` makes it anew after it failed."""
        self._places.append(_Place(sink.name, sink, reopen))

    def remove(self, sink: Sink) -> None:
        """Send no more pictures to ``sink``, and do not open it again. Does not close it."""
        self._places = [place for place in self._places if place.sink is not sink]

    @property
    def alive(self) -> tuple[Sink, ...]:
        """The sinks that take pictures now."""
        return tuple(place.sink for place in self._places if place.sink is not None)

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp, now: float) -> None:
        """Give every sink the picture; retire one that raises."""
        for place in list(self._places):
            if place.sink is None:
                continue
            try:
                place.sink.show(picture, overlay, stamp)
                if now - place.due_s > _LONGEST_RETRY_S:
                    place.retry_s = _FIRST_RETRY_S
            except Exception as error:  # whatever a library raises: the other sinks go on
                self._retire(place, error, now)

    def reopen(self, now: float) -> None:
        """Open again what is due."""
        for place in self._places:
            if place.sink is None and place.open is not None and now >= place.due_s:
                try:
                    place.sink = place.open()
                    self._faults.append(f"{place.name} is back")
                except Exception as error:
                    self._postpone(place, now)
                    log.info("%s: %s", place.name, error)

    def faults(self) -> list[str]:
        """What has failed or come back since the last call."""
        faults, self._faults = self._faults, []
        return faults

    def close(self) -> None:
        """Close all sinks. May be called twice."""
        for place in self._places:
            if place.sink is not None:
                try:
                    place.sink.close()
                except Exception:
                    log.exception("%s did not close", place.name)
        self._places.clear()

    def _retire(self, place: _Place, error: Exception, now: float) -> None:
        sink, place.sink = place.sink, None
        log.error("%s failed: %s", place.name, error, exc_info=error)
        again = ""
        if place.open is None:
            self._places.remove(place)
        else:
            again = f"; retrying in {place.retry_s:.0f} s"
            self._postpone(place, now)
        self._faults.append(f"{place.name} failed: {error}{again}")
        try:
            if sink is not None:
                sink.close()
        except Exception as closing:
            log.info("%s did not close: %s", place.name, closing)

    def _postpone(self, place: _Place, now: float) -> None:
        place.due_s = now + place.retry_s
        place.retry_s = min(_LONGEST_RETRY_S, 2 * place.retry_s)
