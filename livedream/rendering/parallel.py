"""A film rendered by many workers: looked through, cut, dreamt in shots, and joined."""

from __future__ import annotations

import logging
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from livedream.channels import parse_channels
from livedream.errors import OutputError
from livedream.files import file_hash
from livedream.networks.graphs import weights_hash
from livedream.rendering import joining
from livedream.rendering.cluster import Workers, threads_each
from livedream.rendering.cutting import Shot, cut
from livedream.rendering.footage import Film, Survey, excerpt, survey
from livedream.rendering.kept import Kept
from livedream.rendering.shot import Job, dissolve, open_dreamer
from livedream.room.cluster import RaysVoice
from livedream.settings import Settings
from livedream.sinks.encoders import choose
from livedream.sinks.encoding import Encoding
from livedream.sinks.recorder import encoders_for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Crew:
    """Who renders: so many ``workers`` on this machine, or at most so many of the Ray cluster at ``address``.

    Scenes longer than ``longest_s`` are cut.
    """

    workers: int | None
    address: str | None
    longest_s: float


@dataclass(frozen=True)
class Wanted:
    """What is to be rendered; see :func:`livedream.rendering.render.render`."""

    film: str
    output: Path
    settings: Settings
    weights: Path | None
    device: str
    backend: str
    frames: int | None
    classic: bool
    encoding: Encoding


def why_whole(settings: Settings, classic: bool) -> str:
    """Why a dream by these settings cannot be cut at all, in words for a message; empty: it can."""
    if settings.feedback and not classic:
        return "with feedback a dream goes on from itself for ever"
    return ""


def render_by_many(wanted: Wanted, crew: Crew) -> str:
    """Render a film by many workers; empty, or why that cannot be done and nothing was.

    Raises as :func:`livedream.rendering.render.render`, and ``BackendError`` when workers end again and
    again. What is finished is kept, and the same call goes on with it.
    """
    reason = why_whole(wanted.settings, wanted.classic)
    if reason:
        return reason
    found = _surveyed(wanted)
    if not found.whole:
        return "its frames have no times of their own"
    shots = _shots(wanted, crew, found)
    if len(shots) < 2:
        return "it is one scene, and too short to be cut" if len(found.scenes) < 2 else "it is too short"
    job = _job(wanted, found, threads_each(crew.workers, crew.address))
    kept = Kept(wanted.output, _identity(wanted, job, shots, found))
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(RaysVoice()))
        workers = stack.enter_context(Workers(crew.workers, crew.address, wanted.device))
        rendering = _Rendering(wanted, job, found, shots, kept)
        bar = stack.enter_context(tqdm(total=len(found.times_s), unit="frame", desc=wanted.output.name))
        try:
            rendering.run(workers, bar)
        except BaseException:
            bar.close()
            done = sum(map(rendering.is_done, shots))
            log.warning(
                "%d of %d shots are finished, and kept in %s: the same command goes on with the others",
                *(done, len(shots), kept.folder),
            )
            raise
    rendering.finish()
    kept.remove()
    return ""


def _surveyed(wanted: Wanted) -> Survey:
    with Film(wanted.film) as film:
        expected = min(film.frame_count or 10**9, wanted.frames or 10**9)
        total = None if expected == 10**9 else expected
        with tqdm(total=total, unit="frame", desc="looking for scenes", leave=False) as bar:
            return survey(film, wanted.frames, bar.update)


def _shots(wanted: Wanted, crew: Crew, found: Survey) -> list[Shot]:
    settings = wanted.settings
    # What is aimed at follows from what the camera showed since the scene began: no such scene is cut.
    follows = settings.surprise or parse_channels(settings.channels).rank
    longest_s = float("inf") if follows and not wanted.classic else crew.longest_s
    watches = bool(settings.visitor_focus or settings.mask != "everywhere")
    shots = cut(found.times_s, found.scenes, longest_s, watches=watches)
    if wanted.classic:  # every frame is dreamt by itself
        shots = [replace(s, watched=s.first, dreamt=s.first, settled=s.first, head=0, tail=0) for s in shots]
    return shots


def _job(wanted: Wanted, found: Survey, threads: int) -> Job:
    """The job, after everything that it needs has been opened here once: what fails, fails at once."""
    width, height = (max(2, side // 2 * 2) for side in found.size)
    encoder = choose(wanted.encoding, width, height, encoders_for(wanted.output))
    job = Job(
        settings=wanted.settings,
        weights=wanted.weights,
        weights_sha256=weights_hash(wanted.settings.network, wanted.weights),
        device=wanted.device,
        backend=wanted.backend,
        threads=threads,
        classic=wanted.classic,
        encoding=Encoding(encoder.name, wanted.encoding.mbit),
        suffix=wanted.output.suffix.lower(),
        version=metadata.version("livedream"),
    )
    open_dreamer(job).close()
    return job


def _identity(wanted: Wanted, job: Job, shots: list[Shot], found: Survey) -> dict[str, Any]:
    """What a finished shot depends on, by names for a message."""
    changed = wanted.settings.differences(Settings())
    return {
        "livedream": job.version,
        "input": file_hash(Path(wanted.film)),
        "frames": len(found.times_s),
        **{name: getattr(wanted.settings, name) for name in changed},
        "weights": job.weights_sha256,
        "device": job.device,
        "backend": job.backend,
        "classic": job.classic,
        "encoder": job.encoding.encoder,
        "bit rate": job.encoding.mbit,
        "cuts": [shot.first for shot in shots[1:]],
    }


class _Rendering:
    """The shots of one film, on their way into its folder."""

    def __init__(self, wanted: Wanted, job: Job, found: Survey, shots: list[Shot], kept: Kept) -> None:
        self._wanted, self._job, self._found = wanted, job, found
        self._shots, self._kept = shots, kept

    def is_done(self, shot: Shot) -> bool:
        """Whether a shot is finished."""
        return all(map(self._kept.has, self._files(shot)))

    def run(self, workers: Workers, bar: tqdm[NoReturn]) -> None:
        """Dream what is not finished."""
        done = {shot.number: shot.end - shot.first for shot in self._shots if self.is_done(shot)}
        if done:
            log.info(
                "%d of %d shots were finished before: %s", len(done), len(self._shots), self._kept.folder
            )
        frames = dict(done)

        def heard(news: dict[int, int]) -> None:
            frames.update(news)
            bar.update(sum(frames.values()) - bar.n)

        heard({})
        missing = [shot for shot in self._shots if shot.number not in done]
        for shot, dreamt in workers.dream(self._job, self._found, missing, self._excerpt, heard):
            files = {self._video(shot): dreamt.video, _head(shot): dreamt.head, _tail(shot): dreamt.tail}
            self._kept.keep({name: files[name] for name in self._files(shot)})
            heard({shot.number: shot.end - shot.first})
        for before, shot in pairwise(self._shots):
            if shot.head and not self._kept.has(self._dissolve(shot)):
                self._dissolve_into(before, shot)

    def finish(self) -> None:
        """Join everything. Raises ``OutputError``."""
        found, parts = self._found, []
        for shot in self._shots:
            if shot.head:
                parts.append((self._kept.path(self._dissolve(shot)), found.times_s[shot.first]))
            parts.append((self._kept.path(self._video(shot)), found.times_s[shot.first + shot.head]))
        start_s = float((found.stamps[0] or 0) * found.unit_s)
        film = joining.Film(self._wanted.film, start_s, found.times_s[-1] + 1 / found.fps)
        count = joining.join(parts, self._wanted.output, film)
        if count != len(found.times_s):
            raise OutputError(
                f"{self._wanted.output} has {count} frames instead of {len(found.times_s)}; the shots are in"
                f" {self._kept.folder}"
            )

    def _excerpt(self, shot: Shot) -> bytes:
        return excerpt(self._wanted.film, self._found, shot.watched, shot.end + shot.tail)

    def _dissolve_into(self, before: Shot, shot: Shot) -> None:
        tail, head = (self._kept.read(name) for name in (_tail(before), _head(shot)))
        data = excerpt(self._wanted.film, self._found, shot.watched, shot.first + shot.head)
        video = dissolve(self._job, self._found, shot, data, tail, head)
        self._kept.keep({self._dissolve(shot): video})

    def _files(self, shot: Shot) -> list[str]:
        return [
            self._video(shot),
            *([_head(shot)] if shot.head else []),
            *([_tail(shot)] if shot.tail else []),
        ]

    def _video(self, shot: Shot) -> str:
        return f"{shot.number + 1:05}{self._job.suffix}"

    def _dissolve(self, shot: Shot) -> str:
        return f"{shot.number + 1:05}-dissolve{self._job.suffix}"


def _head(shot: Shot) -> str:
    return f"{shot.number + 1:05}-head.npz"


def _tail(shot: Shot) -> str:
    return f"{shot.number + 1:05}-tail.npz"
