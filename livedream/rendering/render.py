"""``livedream render``: a film or a photograph dreamt into a file, each frame in order, none dropped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from livedream.cores import usable_cores
from livedream.dream.dreamer import Dreamer
from livedream.errors import OutputError, UsageError
from livedream.extras import installed, require_extra
from livedream.files import require_different, require_writable
from livedream.frame import Frame, Image
from livedream.performance.state import PlayState
from livedream.rendering import joining
from livedream.rendering.dreaming import CLASSIC_STEPS, Dreaming
from livedream.rendering.footage import Film
from livedream.rendering.parallel import Crew, Wanted, render_by_many
from livedream.rendering.shot import add
from livedream.settings import Settings
from livedream.sinks.encoding import Encoding
from livedream.sinks.recorder import Recorder, require_recordable
from livedream.sinks.snapshot import save_snapshot
from livedream.sources import open_source
from livedream.sources.spec import parse_spec

log = logging.getLogger(__name__)

_BY_ITSELF = Encoding()
_PHOTOS = (".png", ".jpg", ".jpeg")
#: Ticks on a photograph: the dream on a still picture has settled by then.
_STILL_TICKS = 90
_STILL_FPS = 30.0


def render(
    source: str,
    output: Path,
    settings: Settings,
    *,
    weights: Path | None = None,
    device: str = "auto",
    backend: str = "auto",
    frames: int | None = None,
    classic: bool = False,
    encoding: Encoding = _BY_ITSELF,
    crew: Crew | None = None,
) -> None:
    """Dream ``source`` (a film, a photograph, or clouds) into ``output``, in the input's own size.

    A film keeps its sound and the times of its frames; its first ``frames`` are rendered, or all. With a
    ``crew`` it is cut into shots, which many workers dream. A photograph is treated as a still camera for
    ``frames`` ticks, or dreamt once with ``classic``; written to a video, each tick is a picture, written by
    ``encoding``. Raises ``UsageError``, ``SourceError``, ``NetworkError``, ``OutputError``, ``BackendError``.
    """
    to_photo = output.suffix.lower() in _PHOTOS
    settings = PlayState.begin(settings, weights).settings
    require_different(source, output)
    require_writable(output)
    asked = parse_spec(source)
    if to_photo and asked.kind != "photo":
        raise UsageError(f"{source} is no photograph, and {output.name} is one; possible: .mp4, .mkv, .mov")
    if classic or to_photo:  # full precision, which a single picture has time for
        backend = "pytorch" if installed("torch") else backend
    wanted = Wanted(source, output, settings, weights, device, backend, frames, classic, encoding)
    if asked.kind == "video":
        _render_film(wanted, crew)
        return
    if crew is not None:
        log.warning("%s is rendered by one process: it is no film, which could be cut into shots", source)
    _render_frames(wanted, to_photo)


def _render_film(wanted: Wanted, crew: Crew | None) -> None:
    if crew is not None:
        require_extra("ray", "room", "rendering by several workers")
    require_recordable(wanted.output, wanted.encoding)
    missing = joining.left_out(wanted.film, wanted.output.suffix)
    if missing:
        log.warning("%s: %s", wanted.output, missing)
    if crew is not None:
        reason = render_by_many(wanted, crew)
        if not reason:
            return
        log.warning("%s is rendered by one process: %s", wanted.film, reason)
    _render_by_one(wanted)


def _render_by_one(wanted: Wanted) -> None:
    """Every frame in this process: the pictures first, then they are joined with the sound."""
    output, pictures = wanted.output, wanted.output.with_stem(f".{wanted.output.stem}-pictures")
    try:
        with ExitStack() as stack:
            film = stack.enter_context(Film(wanted.film))
            recorder = stack.enter_context(Recorder(pictures, fps=film.fps, encoding=wanted.encoding))
            dreamer = _dreamer(wanted)
            expected = min(film.frame_count or 10**9, wanted.frames or 10**9)
            bar = stack.enter_context(
                _bar(output.name, None if expected == 10**9 else expected, wanted.classic)
            )
            dreaming = Dreaming(dreamer, wanted.settings, classic=wanted.classic, step=bar.update)
            done, start_s, end_s = 0, 0.0, 0.0
            for frame in islice(film, wanted.frames):
                if frame.begins_scene and done:
                    dreaming.begin_scene()
                if not done:
                    start_s = float((frame.picture.pts or 0) * film.unit_s)
                add(recorder, dreaming.picture(film.image(frame), frame.index, frame.time_s), frame.time_s)
                done, end_s = done + 1, frame.time_s + 1 / film.fps
                if not wanted.classic:
                    bar.update()
            if expected != 10**9 and done < expected - 1:  # a length is only an estimate, to a frame
                log.warning(
                    "%s gave only %d of its %d frames: it is damaged or cut off", wanted.film, done, expected
                )
            recorder.finish()
        joining.join([(pictures, 0.0)], output, joining.Film(wanted.film, start_s, end_s))
    finally:
        pictures.unlink(missing_ok=True)
    log.info("%s, by %s", output, dreamer.backend.name)


def _render_frames(wanted: Wanted, to_photo: bool) -> None:
    """A photograph for some ticks, or so many frames of something that never ends."""
    output, frames, classic = wanted.output, wanted.frames, wanted.classic
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(wanted.film, loop=False, realtime=False))
        still = opened.kind == "photo"
        if not still and frames is None:
            raise UsageError(f"{wanted.film} never ends: say how many with --frames N")
        recorder = None
        if not to_photo:
            fps = opened.fps or _STILL_FPS
            recorder = stack.enter_context(Recorder(output, fps=fps, encoding=wanted.encoding))
        dreamer = _dreamer(wanted)
        if still:
            frames = frames or (1 if classic else _STILL_TICKS)
        bar = stack.enter_context(_bar(output.name, frames, classic))
        dreaming = Dreaming(dreamer, wanted.settings, classic=classic, step=bar.update)
        image: Image | None = None
        for frame in islice(_repeated(next(opened)) if still else opened, frames):
            image = dreaming.picture(frame.image, frame.index, frame.time_s)
            if recorder is not None:
                add(recorder, image, frame.time_s)
            if not classic:
                bar.update()
        if to_photo and image is not None:
            _save(output, image, wanted.settings)
        if recorder is not None:
            recorder.finish()
    log.info("%s, by %s", output, dreamer.backend.name)


def _bar(name: str, pictures: int | None, classic: bool) -> tqdm[NoReturn]:
    """A progress bar of pictures, or of the classic loop's steps; without an end when nobody knows it."""
    if classic:
        return tqdm(total=pictures and pictures * CLASSIC_STEPS, unit="step", desc=name)
    return tqdm(total=pictures, unit="frame", desc=name)


def _dreamer(wanted: Wanted) -> Dreamer:
    threads = usable_cores()  # nothing else runs here: all cores are the dream's
    return Dreamer(
        wanted.settings.network,
        weights=wanted.weights,
        device=wanted.device,
        backend=wanted.backend,
        threads=threads,
    )


def _repeated(frame: Frame) -> Iterator[Frame]:
    """A photograph as a still camera's frames."""
    return (Frame(frame.image, n, n / _STILL_FPS) for n in count())


def _save(path: Path, image: Image, settings: Settings) -> None:
    if path.suffix.lower() == ".png":
        save_snapshot(path, image, settings.as_dict())
        return
    from PIL import Image as Pillow

    try:
        Pillow.fromarray(image).save(path, quality=95)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
