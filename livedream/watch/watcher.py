"""Runs a show and watches its progress: one that dies or hangs is started again, one that ends is let go.

A process of its own, and a small one: it imports nothing but the standard library and the ground floor.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from livedream.watch.beats import (
    BEATS,
    CLOSED,
    LAST_PICTURE_VARIABLE,
    PICTURE,
    REASON,
    RENEW_EXIT_CODE,
    WATCHER_VARIABLE,
)
from livedream.watch.calling import Calling
from livedream.watch.group import end_group
from livedream.watch.judge import Judge

log = logging.getLogger(__name__)

#: The longest time between two looks at the show, unless it says something.
_LOOK_S = 0.25
#: A hanging show may still finish its recording when it is told to end.
_TERMINATE_S = 0.5
#: A show that was told to end: it finishes the recording, as long as the disk takes.
_QUIT_S = 20.0
#: The exit code of a show whose command is wrong. One whose command once was right finds the machine changed.
_WRONG_COMMAND = 2
_STOP_SIGNALS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


class Watcher:
    """Watches ``livedream WORDS`` until it ends as asked. For the main thread: it handles signals.

    ``hooks`` are told when shows fail again and again.
    """

    def __init__(self, words: Sequence[str], hooks: Sequence[str] = ()) -> None:
        self._words = words
        self._judge = Judge()
        self._calling = Calling(hooks, time.monotonic())
        self._restarts = 0
        self._reason = ""  # why the show ended, if it has said so
        self._picture_at: float | None = None  # the last picture of the show, by the clock on the wall
        self._show: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None  # to the show
        self._asked: int | None = None  # the signal that told this process to end

    def run(self) -> int:
        """Watch; the exit code of the show that ended as asked."""
        handlers = {number: signal.signal(number, self._ask) for number in _STOP_SIGNALS}
        try:
            return self._watch()
        finally:
            self._end_show(signal.SIGTERM, 0.0)
            self._calling.close()
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _watch(self) -> int:
        while True:
            self._start()
            complaint, code = self._until_it_ends()
            if self._asked is not None:
                return self._quit()
            self._end_show(signal.SIGTERM, _TERMINATE_S)
            if not complaint:
                if code == 0 or (code == _WRONG_COMMAND and not self._judge.proved):
                    return code
                if code == RENEW_EXIT_CODE and self._judge.well:
                    log.info("the show wants to be started anew")
                    self._picture_at = None
                    continue
            delay_s = self._judge.failed(time.monotonic())
            when = f"in {delay_s:.0f} s" if delay_s else "now"
            why = complaint or f"ended with exit code {code}{self._reason and ': '}{self._reason}"
            self._restarts += 1
            log.error("the show %s; restarting %s (restart %d)", why, when, self._restarts)
            self._calling.failed(why, time.monotonic())
            if self._pause(delay_s):
                return 0

    def _start(self) -> None:
        self._line, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        package = str(Path(__file__).resolve().parents[2])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {WATCHER_VARIABLE: str(theirs.fileno())}
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        if self._picture_at is not None:
            environment[LAST_PICTURE_VARIABLE] = f"{self._picture_at:.2f}"
        command = [sys.executable, "-P", "-m", "livedream", *self._words]
        try:
            if os.name == "posix":
                # A group of its own: Ctrl-C is for the watcher, and nobody of the group may stay behind.
                self._show = subprocess.Popen(
                    command, env=environment, pass_fds=[theirs.fileno()], process_group=0
                )
            else:
                self._show = subprocess.Popen(command, env=environment, close_fds=False)
        except OSError as error:
            log.error("the show cannot be started: %s", error.strerror)
        finally:
            theirs.close()
        self._line.setblocking(False)
        self._reason = ""
        self._judge.started(time.monotonic())

    def _until_it_ends(self) -> tuple[str, int]:
        """Wait for the show's end, or a reason for it: (what is wrong with it, its exit code)."""
        if self._show is None:
            return "could not be started", 1
        while True:
            self._listen(_LOOK_S)
            now = time.monotonic()
            self._calling.look(now)
            code = self._show.poll()
            if code is not None:
                self._listen(0.0)  # for what it said at its end
                return "", code
            if self._asked is not None:
                return "", 0
            complaint = self._judge.complaint(now)
            if complaint:
                return complaint, 1

    def _listen(self, timeout_s: float) -> None:
        """Take the show's beats, waiting for the first; its end closes the line, which ends the wait."""
        assert self._line is not None
        with suppress(OSError):
            if not select.select([self._line], [], [], timeout_s)[0]:
                return
            said = self._line.recv(4096)
            if not said:
                time.sleep(0.02)  # the line is closed a moment before the process is gone
            said, _, reason = said.partition(REASON)
            self._reason = self._reason or reason.decode("utf-8", "replace")
            for beat in BEATS:
                if beat in said:
                    self._judge.heard(beat, time.monotonic())
                    self._note(beat)

    def _note(self, beat: bytes) -> None:
        if beat in (PICTURE, CLOSED):
            self._calling.well(time.monotonic())
            self._picture_at = time.time() if beat == PICTURE else None

    def _quit(self) -> int:
        """Pass on what this process was asked; the show's exit code."""
        show = self._show
        self._end_show(self._asked or signal.SIGTERM, _QUIT_S)
        return 1 if show is None or show.returncode else 0

    def _end_show(self, how: int, patience_s: float) -> None:
        """End the show and everything that it has started, if it hasn't ended."""
        show, self._show = self._show, None
        if show is not None:
            if show.poll() is None and patience_s > 0:
                with suppress(OSError):
                    show.send_signal(how if os.name == "posix" else signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    show.wait(patience_s)
            if show.poll() is None:
                show.kill()
                show.wait()
            end_group(show.pid)
        if self._line is not None:
            self._line.close()
            self._line = None

    def _pause(self, seconds: float) -> bool:
        """Wait; whether this process was asked to end meanwhile."""
        until_s = time.monotonic() + seconds
        while self._asked is None and (left_s := until_s - time.monotonic()) > 0:
            self._calling.look(time.monotonic())
            time.sleep(min(left_s, _LOOK_S))
        return self._asked is not None

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._asked = number
