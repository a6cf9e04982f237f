"""One shot of a film, dreamt and encoded by one worker; and how two dreams of one scene dissolve."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from livedream.dream.dreamer import Dreamer
from livedream.dream.residual import Residual
from livedream.errors import BackendError, NetworkError, OutputError, SourceError
from livedream.frame import Array
from livedream.networks.graphs import weights_hash
from livedream.rendering.cutting import Shot
from livedream.rendering.dreaming import Dreaming, Painting
from livedream.rendering.footage import Excerpt, Survey
from livedream.settings import Settings
from livedream.sinks.encoding import Encoding
from livedream.sinks.recorder import Recorder


@dataclass(frozen=True)
class Job:
    """What is the same for all shots of a film.

    ``weights_sha256`` is the hash of the weights that every worker must have; ``suffix`` (``.mp4``) chooses
    the container, ``encoding`` names an encoder. A worker runs the network on ``threads`` threads, and is of
    the same ``version`` of livedream.
    """

    settings: Settings
    weights: Path | None
    weights_sha256: str
    device: str
    backend: str
    threads: int
    classic: bool
    encoding: Encoding
    suffix: str
    version: str


@dataclass(frozen=True)
class Dreamt:
    """A finished shot: an encoded ``video`` without those frames that dissolve.

    Of these it has the residuals, as :func:`packed` makes them, at its beginning and after its end.
    """

    video: bytes
    head: bytes = b""
    tail: bytes = b""


def open_dreamer(job: Job) -> Dreamer:
    """The dreamer of a job.

    Raises ``BackendError`` for another livedream, ``NetworkError`` for other weights, and as
    :class:`Dreamer` does.
    """
    network, version = job.settings.network, metadata.version("livedream")
    if version != job.version:
        raise BackendError(
            f"found livedream {version}; expected {job.version}, as where the render was started"
        )
    found = weights_hash(network, job.weights)
    if found != job.weights_sha256:
        raise NetworkError(
            f"the weights of {network} are others than where the render was started ({found[:8]}… instead of"
            f" {job.weights_sha256[:8]}…); possible: the same file on all machines"
        )
    return Dreamer(network, weights=job.weights, device=job.device, backend=job.backend, threads=job.threads)


@functools.lru_cache(maxsize=1)
def _kept_dreamer(job: Job) -> Dreamer:
    """A worker dreams many shots; what it has opened for one it has for the next."""
    cv2.setNumThreads(job.threads)
    return open_dreamer(job)


def dream_shot(job: Job, found: Survey, shot: Shot, data: bytes, step: Callable[[int], object]) -> Dreamt:
    """Dream ``shot`` of the film ``found``; ``data`` is its excerpt from ``shot.watched`` on.

    ``step`` is called with the number of its frames that are finished. The dream is the one that an uncut
    film has there, where the shot begins with a scene. Raises ``SourceError``, ``OutputError``, and what
    cannot dream.
    """
    dreamer = _kept_dreamer(job)
    dreamer.reset()
    if not job.classic:
        dreamer.pass_over(job.settings, found.times_s[: shot.watched])
    dreaming = Dreaming(dreamer, job.settings, classic=job.classic)
    head: list[Residual] = []
    tail: list[Residual] = []
    with TemporaryDirectory(prefix="livedream-") as folder, _shown(data, found, shot) as excerpt:
        path = Path(folder) / f"shot{job.suffix}"
        with Recorder(path, fps=found.fps, encoding=job.encoding) as recorder:
            count = 0
            for frame in excerpt:
                if frame.begins_scene and frame.index > shot.watched:
                    dreaming.begin_scene()
                index, image = frame.index, excerpt.image(frame)
                if index < shot.dreamt:
                    dreaming.watch(image, index, frame.time_s)
                elif index < shot.first + shot.head or index >= shot.end:
                    warming = index < shot.settled
                    residual = dreaming.dream(image, index, frame.time_s, warming=warming)
                    if index >= shot.first:
                        (tail if index >= shot.end else head).append(residual)
                else:
                    add(recorder, dreaming.picture(image, index, frame.time_s), frame.time_s)
                    count += 1
                if shot.first <= index < shot.end:
                    step(index + 1 - shot.first)
            recorder.finish()
        decoded, expected = len(head) + count + len(tail), shot.end + shot.tail - shot.first
        if decoded != expected:
            raise SourceError(
                f"only {decoded} of {expected} frames of {shot.name} could be decoded;"
                " possible: without --workers and --ray"
            )
        return Dreamt(path.read_bytes(), packed(head), packed(tail))


def _shown(data: bytes, found: Survey, shot: Shot) -> Excerpt:
    return Excerpt(data, found, shot.watched, shot.end + shot.tail)


def add(recorder: Recorder, picture: Array, time_s: float) -> None:
    """Write a picture at ``time_s`` in whole milliseconds, as a video counts. Raises ``OutputError``."""
    recorder.add(picture, round(time_s * 1000) / 1000, wait=True)
    if recorder.error:
        raise OutputError(recorder.error)


def packed(residuals: Sequence[Residual]) -> bytes:
    """Residuals (h, w, 3) of one size, in levels of 255, to a sixteenth of a level."""
    if not residuals:
        return b""
    file = io.BytesIO()
    np.savez_compressed(file, residuals=np.asarray(residuals, np.float16))
    return file.getvalue()


def unpacked(data: bytes) -> Array:
    """The residuals, float32 (n, h, w, 3), that :func:`packed` has packed."""
    with np.load(io.BytesIO(data)) as found:
        return np.asarray(found["residuals"], np.float32)


def dissolved(before: Array, after: Array) -> list[Residual]:
    """Residuals that lead from ``before`` to ``after``, each float32 (n, h, w, 3), of the same frames.

    Two dreams that have nothing in common would be weaker in between than each alone: what they lose by that
    is made good, so that the strength (the root of the mean square) goes from one's to the other's.
    """
    found = []
    for n, (a, b) in enumerate(zip(before, after, strict=True), 1):
        angle = math.pi / 2 * n / (len(before) + 1)
        mixed = np.float32(math.cos(angle) ** 2) * a + np.float32(math.sin(angle) ** 2) * b
        wanted = math.cos(angle) ** 2 * _rms(a) + math.sin(angle) ** 2 * _rms(b)
        found.append(mixed * np.float32(min(wanted / max(_rms(mixed), 1e-6), _MOST_GAIN)))
    return found


#: Of two dreams without anything in common half of each has 1 / √2 of their strength.
_MOST_GAIN = math.sqrt(2)


def _rms(array: Array) -> float:
    return float(np.sqrt(np.square(array).mean()))


def dissolve(job: Job, found: Survey, shot: Shot, data: bytes, tail: bytes, head: bytes) -> bytes:
    """A video of the frames in which the dream of the shot before becomes that of ``shot``.

    ``tail`` and ``head`` are the residuals of both, as :func:`packed` makes them; nothing is dreamt.
    ``data`` is the film's excerpt from ``shot.watched`` on. Raises ``SourceError`` and ``OutputError``.
    """
    painting = Painting(job.settings)
    residuals = dissolved(unpacked(tail), unpacked(head))
    end = shot.first + shot.head
    with TemporaryDirectory(prefix="livedream-") as folder:
        path = Path(folder) / f"dissolve{job.suffix}"
        with (
            Excerpt(data, found, shot.watched, end) as excerpt,
            Recorder(path, fps=found.fps, encoding=job.encoding) as recorder,
        ):
            for frame in excerpt:
                if frame.index >= shot.first or job.settings.mask != "everywhere":
                    painting.see(excerpt.image(frame), frame.index, frame.time_s)
                if frame.index >= shot.first:
                    add(recorder, painting.paint(residuals[frame.index - shot.first]), frame.time_s)
            recorder.finish()
        return path.read_bytes()
