"""What a show says to those who watch over it: ``livedream watch``, systemd, both, or nobody.

A beat is one byte to the watcher, through a socket that the show inherits, and a datagram to systemd. It is
sent from the show's own loop, so that a loop that hangs is silent, whatever else in the process still runs.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from livedream.resource import Resource

#: The environment variable with the number of the socket to the watcher.
WATCHER_VARIABLE = "LIVEDREAM_WATCHER"
#: That of a show that follows one that failed: when a picture was last produced (seconds since 1970).
LAST_PICTURE_VARIABLE = "LIVEDREAM_LAST_PICTURE"
#: No frame has come yet · a picture was produced · outside the opening hours, and black as it should be · the
#: show ends, and finishes its recording.
STARTING: Final = b"s"
PICTURE: Final = b"p"
CLOSED: Final = b"c"
ENDING: Final = b"e"
BEATS = (STARTING, PICTURE, CLOSED, ENDING)
#: Before the reason why a show ends, in words, the last that it says.
REASON: Final = b"!"
_LONGEST_REASON = 500
#: The exit code of a show that wants to be started anew, in good health.
RENEW_EXIT_CODE = 76

_EACH_S = 0.25
#: A show whose watcher has died ends; it has this long for that.
_ENDING_S = 8.0
_WORDS = {
    STARTING: "STATUS=waiting for the first frame",
    PICTURE: "READY=1\nWATCHDOG=1\nSTATUS=showing",
    CLOSED: "READY=1\nWATCHDOG=1\nSTATUS=outside the opening hours",
    ENDING: "STOPPING=1",
}


def notify_systemd(text: str) -> None:
    """Tell systemd, if it started this process and listens (``Type=notify``). Never waits, never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(text.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


class Beats(Resource):
    """The show's side. ``abandoned`` is called, from a thread, when the watcher has died; ``heard`` with each
    beat and its time, also when nobody watches.

    Who started this process is read from the environment, and removed from it: the process's own children
    have no watcher.
    """

    def __init__(
        self,
        abandoned: Callable[[], None] = lambda: None,
        heard: Callable[[bytes, float], None] = lambda beat, now: None,
    ) -> None:
        self._abandoned, self._heard = abandoned, heard
        self._sent: tuple[bytes, float] = (b"", 0.0)
        self._watcher = _inherited()
        self._ended = threading.Event()
        self._following = threading.Thread(target=self._follow, name="watcher", daemon=True)
        if self._watcher is not None:
            self._following.start()

    @property
    def watched(self) -> bool:
        """Whether somebody starts the show again when it ends with :data:`RENEW_EXIT_CODE`."""
        return self._watcher is not None or os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())

    def send(self, beat: bytes, now: float) -> None:
        """Say how things are, a few times a second at most; a change at once. Never waits."""
        self._heard(beat, now)
        if beat == self._sent[0] and now - self._sent[1] < _EACH_S:
            return
        self._sent = (beat, now)
        notify_systemd(_WORDS[beat])
        if self._watcher is not None:
            with suppress(OSError):  # full: it has not listened for hours; closed: see _follow
                self._watcher.send(beat)

    def explain(self, reason: str) -> None:
        """Say why the show ends, when it cannot go on."""
        if self._watcher is not None:
            with suppress(OSError):
                self._watcher.send(REASON + reason.encode("utf-8", "replace")[:_LONGEST_REASON])

    def close(self) -> None:
        """The show ends as it should. May be called twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._watcher is not None:
            with suppress(OSError):
                self._watcher.shutdown(socket.SHUT_RDWR)  # which ends the thread
            self._following.join(1.0)
            self._watcher.close()

    def _follow(self) -> None:
        """Wait for the watcher's end; then end the show, even one that hangs."""
        assert self._watcher is not None
        with suppress(OSError):
            while select.select([self._watcher], [], []) and self._watcher.recv(16):
                pass  # it says nothing
        if not self._ended.is_set():
            self._abandoned()
            if not self._ended.wait(_ENDING_S):
                os._exit(1)


def _inherited() -> socket.socket | None:
    number = os.environ.pop(WATCHER_VARIABLE, "")
    if not number.isdecimal():
        return None
    try:
        watcher = socket.socket(fileno=int(number))
        watcher.set_inheritable(False)
        watcher.setblocking(False)
    except OSError:  # the variable is another process's
        return None
    return watcher
