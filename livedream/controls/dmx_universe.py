"""One DMX universe: which of its senders counts, and the levels that hold."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from livedream.controls.dmx_packets import CHANNELS, Frame

log = logging.getLogger(__name__)

#: E1.31, 6.7.1: a sender that is silent for so long is gone.
LOST_S = 2.5
#: E1.31, 6.7.2: a datagram that is as many behind is late; one that is further behind begins anew.
_LATE = 20
_MOST_SENDERS = 8


@dataclass
class _Sender:
    name: str
    priority: int
    sequence: int | None
    heard_s: float


class Universe:
    """Takes frames of one universe; the sender with the highest priority counts, of several the first.

    ``levels`` are the newest that counted, shorter than 512 until a sender has sent so many; they hold when
    all senders are gone.
    """

    def __init__(self, number: int) -> None:
        self.levels = b""
        self._number = number
        self._senders: dict[str, _Sender] = {}
        self._master = ""

    @property
    def senders(self) -> tuple[str, ...]:
        """The names of those that send now, the one that counts first."""
        order = sorted(self._senders, key=lambda source: source != self._master)
        return tuple(self._senders[source].name for source in order)

    def take(self, frame: Frame, now: float) -> bool:
        """Whether this frame counts. ``now`` is in seconds."""
        self.forget(now)
        known = self._senders.get(frame.source)
        if known is not None and _is_late(known.sequence, frame.sequence):
            return False
        if frame.terminated:
            self._remove(frame.source)
            return False
        if known is None:
            if len(self._senders) >= _MOST_SENDERS:
                return False
            log.info("DMX universe %d: %s, priority %d", self._number, frame.name, frame.priority)
        self._senders[frame.source] = _Sender(frame.name, frame.priority, frame.sequence, now)
        # max() takes the first of equals: the present master, unless another has a higher priority.
        order = sorted(self._senders, key=lambda source: source != self._master)
        self._master = max(order, key=lambda source: self._senders[source].priority)
        if self._master != frame.source:
            return False
        self.levels = frame.levels[:CHANNELS] + self.levels[len(frame.levels) :]
        return True

    def forget(self, now: float) -> None:
        """Forget senders that are silent."""
        for source, sender in list(self._senders.items()):
            if now - sender.heard_s > LOST_S:
                self._remove(source)

    def _remove(self, source: str) -> None:
        gone = self._senders.pop(source, None)
        if gone is not None:
            held = "" if self._senders else "; its last levels hold"
            log.info("DMX universe %d: %s has ended%s", self._number, gone.name, held)


def _is_late(before: int | None, sequence: int | None) -> bool:
    if before is None or sequence is None:
        return False
    ahead = (sequence - before + 128) % 256 - 128
    return -_LATE < ahead <= 0
