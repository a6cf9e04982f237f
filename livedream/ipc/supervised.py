"""Keeps a child process running: starts it, notices that it died or hangs, restarts it, ends it."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from livedream.errors import LivedreamError
from livedream.ipc.child import begin, signals_ignored
from livedream.timing import restart_delay_s

log = logging.getLogger(__name__)

#: After making progress for this long, the next failure counts as the first.
_HEALTHY_S = 10.0
#: A process that was told to end and is still there after this long is killed.
_TERMINATED_S = 0.5
#: A killed process is gone in milliseconds, or stuck in a driver: then waiting is useless.
_KILLED_S = 0.5

Failure = Literal["died", "hung", "did not start"]


def exit_reason(code: int) -> str:
    """What an exit code says about how a process ended."""
    if code == -getattr(signal, "SIGBUS", 0) != 0:
        return "died of SIGBUS: no shared memory left (/dev/shm is full or too small)"
    return f"ended with exit code {code}"


class Supervised:
    """One supervised child process, ``target(*args)``, started with ``spawn``. It never waits for the child.

    ``stalled(now, started_s)`` says why a running child counts as hung, or returns "" while it is well;
    ``started_s`` is when this child was started. An exit is a failure, unless its code is 0 and ``ended()``
    agrees that the child has nothing left to do. ``starting()`` is called before each start. ``well_s()`` is
    for how long the child has made progress: a child that has done so for ten seconds has a clean record.
    """

    def __init__(
        self,
        name: str,
        target: Callable[..., None],
        args: tuple[Any, ...],
        stalled: Callable[[float, float], str],
        ended: Callable[[], bool] = lambda: False,
        starting: Callable[[], None] = lambda: None,
        well_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.name = name
        self.faults = 0
        self.started_s: float | None = None  # when the present child was started
        self.exit_code: int | None = None  # of the last child that failed; None if it did not exit
        self.failure: Failure = "died"  # of the last child that failed
        self.args = args  # of the next child
        self._target = target
        self._stalled, self._ended, self._starting, self._well_s = stalled, ended, starting, well_s
        self._context = multiprocessing.get_context("spawn")
        self._process: BaseProcess | None = None
        self._leaving: tuple[BaseProcess, float] | None = None  # one that was told to end, and when
        self._failures = 0
        self._restart_at_s: float | None = None

    def start(self, now: float) -> None:
        """Start the process. Raises ``LivedreamError`` when the system does not let it."""
        self._starting()
        work = pickle.dumps((self._target, self.args))
        process = self._context.Process(target=begin, args=(work,), name=self.name, daemon=True)
        try:
            # Until the child has set up its own handlers, Ctrl-C would kill it.
            with signals_ignored():
                process.start()
        except (OSError, MemoryError) as error:
            raise LivedreamError(
                f"no process for the {self.name}: {getattr(error, 'strerror', None) or 'out of memory'};"
                " possible: allow more open files (ulimit -n), processes (ulimit -u) or memory (ulimit -v)"
            ) from error
        self._process = process
        self.started_s = now
        self._restart_at_s = None

    @property
    def pid(self) -> int | None:
        """The process's number, None when it does not run."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def check(self, now: float) -> str:
        """Look after the process; call it a few times a second. Returns what went wrong just now, or "".

        A process that was told to end and does not is killed after half a second.
        """
        if self._lingers(now):
            return ""
        if self._restart_at_s is not None:
            if now >= self._restart_at_s:
                try:
                    self.start(now)
                except LivedreamError as error:
                    self.exit_code = None
                    return self._failed(now, f"cannot start: {error}", "did not start")
            return ""
        started_s = self.started_s
        if self._process is None or started_s is None:
            return ""
        code = self._process.exitcode
        if code == 0 and self._ended():
            return ""
        why = exit_reason(code) if code is not None else self._stalled(now, started_s)
        if not why:
            return ""
        self.exit_code = code
        if self._well_s() >= _HEALTHY_S:
            self._failures = 0
        return self._failed(now, why, "hung" if code is None else "died")

    def renew(self, now: float, args: tuple[Any, ...]) -> None:
        """End the process if it runs, and start one with other ``args``, which has a clean record."""
        self.stop(now)
        self.args, self._failures, self._restart_at_s = args, 0, now

    def stop(self, now: float) -> None:
        """End the process, without waiting for that, until :meth:`renew`."""
        process, self._process = self._process, None
        self._restart_at_s = None
        if process is not None and process.is_alive():
            process.terminate()
            self._leaving = process, now

    def _failed(self, now: float, why: str, failure: Failure) -> str:
        self._failures += 1
        self.faults += 1
        self.failure = failure
        delay = restart_delay_s(self._failures)
        self.stop(now)
        self._restart_at_s = now + delay
        when = f"in {delay:.0f} s" if delay else "now"
        log.error("%s %s; restarting %s", self.name, why, when)
        return f"{self.name} {why}; restarting"

    def _lingers(self, now: float) -> bool:
        """Whether a process that was told to end is still there; it is killed when that was not enough."""
        if self._leaving is None:
            return False
        process, told_s = self._leaving
        if process.is_alive():
            if now - told_s < _TERMINATED_S:
                return True
            process.kill()
            if now - told_s < _TERMINATED_S + _KILLED_S:
                return True
            log.error("%s: process %s is stuck in the system and cannot be killed", self.name, process.pid)
        self._leaving = None
        return False

    def close(self) -> None:
        """Terminate the process, and kill it after a second. May be called twice."""
        self._restart_at_s = None
        processes = [self._process, self._leaving and self._leaving[0]]
        self._process = self._leaving = None
        for process in filter(None, processes):
            if process.is_alive():
                process.terminate()
                process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join(_KILLED_S)
