"""Shots as tasks of Ray, which places them, and does again what a worker that ended has not finished."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from livedream.cores import usable_cores
from livedream.errors import BackendError, LivedreamError
from livedream.rendering.cutting import Shot
from livedream.rendering.footage import Survey
from livedream.rendering.shot import Dreamt, Job, dream_shot
from livedream.resource import Resource
from livedream.room.cluster import Cluster

log = logging.getLogger(__name__)

#: How often a shot is tried again when its worker or its machine ended.
RETRIES = 3
#: How often a worker tells how far it is, in seconds.
_TELLS_S = 0.5
#: Memory for what travels, the excerpts and the finished shots; Ray writes to the disk what does not fit.
_STORE_BYTES = 512 << 20

#: Told the numbers of shots, and how many frames of each are finished.
Heard = Callable[[dict[int, int]], object]


class Listener:
    """An actor that workers tell how far they are."""

    def __init__(self) -> None:
        self._news: dict[int, tuple[int, str]] = {}

    def say(self, number: int, frames: int, who: str) -> None:
        """Worker ``who`` has finished so many frames of a shot."""
        self._news[number] = frames, who

    def news(self) -> dict[int, tuple[int, str]]:
        """What was said since the last call."""
        news, self._news = self._news, {}
        return news


def dream_remotely(job: Job, found: Survey, shot: Shot, data: bytes, listener: Any) -> Dreamt:
    """The task: :func:`livedream.rendering.shot.dream_shot` on some machine, which errors name."""
    who, told_s = f"{socket.gethostname()}, process {os.getpid()}", -_TELLS_S

    def step(frames: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _TELLS_S:
            told_s = time.monotonic()
            listener.say.remote(shot.number, frames, who)

    try:
        return dream_shot(job, found, shot, data, step)
    except LivedreamError as error:
        raise type(error)(f"{shot.name} on {socket.gethostname()}: {error}") from error


def threads_each(count: int | None, address: str | None) -> int:
    """How many threads each of ``count`` workers has: together as many as this machine has cores."""
    return 1 if address is not None or count is None else max(1, usable_cores() // count)


class Workers(Resource):
    """Ray, started on this machine for ``count`` workers, or joined at ``address``.

    ``at_once`` is how many shots are dreamt at once. What is started can be reached from this machine only.
    Raises as :class:`livedream.room.cluster.Cluster`.
    """

    def __init__(self, count: int | None, address: str | None, device: str) -> None:
        # The workers' libraries read it as they are loaded.
        os.environ["OMP_NUM_THREADS"] = str(threads_each(count, address))
        self._cluster = Cluster(address, memory_bytes=_STORE_BYTES)
        import ray

        self._ray: Any = ray
        has = self._cluster.resources
        self.at_once = max(1, count or int(has.get("CPU", 1)))
        gpus = 0.0 if device in ("cpu", "mps") else has.get("GPU", 0.0)
        self._task = self._ray.remote(dream_remotely).options(
            num_cpus=1 if address is not None else round(min(1.0, usable_cores() / self.at_once), 4),
            num_gpus=round(min(1.0, gpus / self.at_once), 4),
            max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )
        self._listener = self._ray.remote(Listener).options(num_cpus=0).remote()
        self._who: dict[int, str] = {}

    def dream(
        self,
        job: Job,
        found: Survey,
        shots: Sequence[Shot],
        excerpt_of: Callable[[Shot], bytes],
        heard: Heard,
    ) -> Iterator[tuple[Shot, Dreamt]]:
        """Dream all ``shots``, the longest first; each as it is finished.

        Raises what a shot cannot be dreamt for, and ``BackendError`` when its workers ended again and again.
        """
        ray = self._ray
        given = ray.put(job), ray.put(found)
        waiting = sorted(shots, key=lambda shot: shot.cost)
        running: dict[Any, Shot] = {}
        while waiting or running:
            while waiting and len(running) < self.at_once:
                shot = waiting.pop()
                running[self._task.remote(*given, shot, excerpt_of(shot), self._listener)] = shot
            ready, _ = ray.wait(list(running), timeout=_TELLS_S)
            heard(self._news())
            for reference in ready:
                shot = running.pop(reference)
                yield shot, self._result(reference, shot)

    def _news(self) -> dict[int, int]:
        news = self._ray.get(self._listener.news.remote())
        for number, (_, who) in news.items():
            before = self._who.setdefault(number, who)
            if before != who:
                self._who[number] = who
                log.warning("shot %d is dreamt again, on %s: the worker on %s ended", number + 1, who, before)
        return {number: frames for number, (frames, _) in news.items()}

    def _result(self, reference: Any, shot: Shot) -> Dreamt:
        from ray import exceptions

        try:
            found = self._ray.get(reference)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, LivedreamError):
                raise error.cause from error
            raise BackendError(f"{shot.name} failed: {_first_line(error.cause or error)}") from error
        except exceptions.RayError as error:
            raise BackendError(
                f"{shot.name} was tried {1 + RETRIES} times, and its worker ended each time"
                f" ({type(error).__name__}); possible: fewer --workers, if the memory is full"
            ) from error
        assert isinstance(found, Dreamt)
        return found

    def close(self) -> None:
        self._cluster.close()


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
