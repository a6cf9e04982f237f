"""Sends the picture to another program or machine, from a thread of its own.

A :class:`Sender` keeps the newest picture only: what comes while a device is busy replaces what was waiting,
and is counted. What cannot be opened, or fails later, is tried again after 2, 4 … 60 seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from livedream.errors import LivedreamError
from livedream.frame import Array, Image
from livedream.resource import Resource
from livedream.sinks.port import FIRST_RETRY_S, HEALTHY_S, LONGEST_RETRY_S, OutputState, Stamp
from livedream.sinks.yuv import fitted

log = logging.getLogger(__name__)

Size = tuple[int, int]

#: The most pictures a second: what cameras give. The screen may be faster.
FPS = 30.0
#: A picture that does not change is sent again, so that nobody takes the sender for dead.
_AGAIN_S = 1.0
#: A device that has not taken a picture for so long is named.
_STUCK_S = 5.0
_CLOSE_S = 1.0


class Device(Protocol):
    """What takes the pictures. All of it is called on the sender's thread, and may take its time."""

    @property
    def detail(self) -> str:
        """What people must know to receive it: a name, an address. No passwords."""

    def send(self, picture: Image) -> None:
        """Send a picture: RGB uint8 of the size that the device was opened with. Raises what it likes."""

    def close(self) -> None:
        """Release the device. Called once."""


class Sender(Resource):
    """A :class:`~livedream.sinks.port.Sink` that never fails, and never waits.

    ``open`` opens the device for pictures of (width, height), even numbers: ``size``, or that of the first
    picture. Pictures of another shape are scaled to fit, with black borders.
    """

    def __init__(
        self,
        name: str,
        open: Callable[[int, int], Device],
        size: Size | None = None,
        *,
        first_retry_s: float = FIRST_RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.dropped = name, 0
        self._open, self._size, self._clock, self._first_retry_s = open, size, clock, first_retry_s
        self._condition = threading.Condition()
        self._waiting: Image | None = None
        self._busy_since_s: float | None = None
        self._closed = self._resting = self._said_stuck = False
        self._faults: list[str] = []
        self._state, self._since, self._detail = "opening", time.time(), ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def show(self, picture: Image, overlay: Array | None, stamp: Stamp) -> None:
        """Send the picture, without ``overlay``, when the device is ready for it."""
        if not self.watched:
            return
        copied = picture.copy()
        with self._condition:
            self.dropped += self._waiting is not None and self._busy_since_s is not None
            self._waiting = copied
            self._condition.notify()

    @property
    def watched(self) -> bool:
        """Whether pictures are wanted now: not while the next attempt to open is not due."""
        return not self._resting

    @property
    def state(self) -> OutputState:
        """How it is."""
        with self._condition:
            state = "stuck" if self._is_stuck() else self._state
            return OutputState(self.name, state, round(self._since), self.dropped, self._detail)

    def faults(self) -> list[str]:
        """What has failed or recovered since the last call, one line each; logged already."""
        with self._condition:
            faults, self._faults = self._faults, []
            if self._is_stuck() and not self._said_stuck:
                self._said_stuck = True
                faults.append(f"{self.name} has taken no picture for {_STUCK_S:.0f} s")
                log.error("%s", faults[-1])
        return faults

    def _is_stuck(self) -> bool:
        busy = self._busy_since_s
        return self._state == "on" and busy is not None and self._clock() - busy > _STUCK_S

    def close(self) -> None:
        """End it. A device that does not answer is left to its thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        retry_s, picture = self._first_retry_s, None
        while (picture := self._next(picture)) is not None:
            if self._size is None:
                self._size = _even(picture)
            opened_s = None
            try:
                device = self._open(*self._size)
                opened_s = self._clock()
                self._send_all(device, picture)
            except Exception as error:  # whatever a library raises
                if opened_s is not None and self._clock() - opened_s >= HEALTHY_S:
                    retry_s = self._first_retry_s
                self._failed(error, retry_s)
            self._pause(retry_s)
            self._resting = False
            retry_s = min(LONGEST_RETRY_S, 2 * retry_s)

    def _send_all(self, device: Device, picture: Image) -> None:
        """Send pictures until the end, or until it fails."""
        try:
            self._works(device.detail)
            last: Image | None = picture
            while last is not None:
                began_s = self._busy_since_s = self._clock()
                width, height = self._size or _even(last)
                device.send(fitted(last, width, height))
                self._busy_since_s, self._said_stuck = None, False
                self._pause(began_s + 1 / FPS - self._clock())
                last = self._next(last)
        finally:
            self._busy_since_s = None
            try:
                device.close()
            except Exception as error:
                log.warning("%s could not be closed: %s", self.name, error)

    def _next(self, last: Image | None) -> Image | None:
        """The newest picture; after a while ``last``, if there is one; None at the end."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._closed or self._waiting is not None, None if last is None else _AGAIN_S
            )
            picture, self._waiting = self._waiting, None
            return None if self._closed else last if picture is None else picture

    def _pause(self, duration_s: float) -> None:
        """Wait, but not beyond the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed, max(0.0, duration_s))

    def _works(self, detail: str) -> None:
        with self._condition:
            if self._state == "failed":
                self._faults.append(f"{self.name} is back")
            self._state, self._since, self._detail = "on", time.time(), detail
        log.info("%s: %s", self.name, detail)

    def _failed(self, error: Exception, retry_s: float) -> None:
        reason = " ".join(str(error).split()) or type(error).__name__
        if not isinstance(error, LivedreamError):
            reason = f"{self.name}: {reason}"
        text = f"{reason}; retrying in {retry_s:.0f} s"
        with self._condition:
            again = self._state == "failed"
            if not again:
                self._faults.append(text)
                self._state, self._since = "failed", time.time()
            self._detail, self._waiting, self._resting = reason, None, True
        log.log(logging.INFO if again else logging.ERROR, "%s", text)


def _even(picture: Image) -> Size:
    """(width, height) of a picture, rounded down to even."""
    height, width = (max(2, side // 2 * 2) for side in picture.shape[:2])
    return width, height
