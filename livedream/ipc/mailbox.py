"""Typed messages in slots: the newest one, and how long ago it last moved by the receiver's own clock."""

from __future__ import annotations

import logging
from typing import Generic, TypeVar

import numpy as np

from livedream.errors import ProtocolError
from livedream.ipc.protocol import Message, Status, decode, encode
from livedream.ipc.slots import Slot

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)
S = TypeVar("S", bound=Status)

#: Room for a message: the longest have a list of guide images.
MESSAGE_BYTES = 1 << 17


class Sender(Generic[M]):
    """Where one process puts its newest message."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def send(self, message: M) -> None:
        """Make ``message`` the newest. Raises ``ValueError`` when it is larger than the slot."""
        self._slot.publish(np.frombuffer(encode(message), np.uint8))


class Receiver(Generic[M]):
    """The newest message in a slot; one that cannot be read is reported once and skipped."""

    def __init__(self, slot: Slot, kind: type[M]) -> None:
        self._slot, self._kind = slot, kind
        self._seq = 0
        self._refused = ""

    def newer(self) -> M | None:
        """The newest message, if there is one that was not returned before."""
        value = self._slot.read(self._seq)
        if value is None:
            return None
        self._seq = value.seq
        try:
            return decode(value.array.tobytes(), self._kind)
        except ProtocolError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                log.error("%s", error)
            return None


class StatusBoard(Generic[S]):
    """The newest status of another process, and for how long it has not moved. ``now`` is one clock's."""

    def __init__(self, slot: Slot, start: S) -> None:
        self._newest: Receiver[S] = Receiver(slot, type(start))
        self._status = start
        self._moved_s: float | None = None
        self._phase_s = 0.0  # when the phase began

    @property
    def status(self) -> S:
        """The newest status."""
        return self._status

    @property
    def heard(self) -> bool:
        """Whether the process has said anything since :meth:`restarted`."""
        return self._moved_s is not None

    def update(self, now: float) -> S:
        """Take what is new; call it a few times a second."""
        newer = self._newest.newer()
        if newer is not None:
            before = self._status
            if not self.heard or (newer.phase, newer.progress) != (before.phase, before.progress):
                if not self.heard or newer.phase != before.phase:
                    self._phase_s = now
                self._moved_s = now
            self._status = newer
        return self._status

    @property
    def well_s(self) -> float:
        """For how long there has been progress in the present phase, in seconds; 0.0 before any status."""
        return 0.0 if self._moved_s is None else self._moved_s - self._phase_s

    def restarted(self) -> None:
        """The process is started anew: what the last one said is no sign of this one's life."""
        self._newest.newer()
        self._moved_s = None

    def silent_s(self, now: float, since_s: float) -> float:
        """Seconds without progress; before the first status, since the process was started at ``since_s``."""
        return now - (since_s if self._moved_s is None else self._moved_s)
