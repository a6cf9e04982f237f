"""``livedream render``: a video or a photograph dreamt in this process, each frame in order, none dropped."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
from tqdm import tqdm

from livedream.dream.dreamer import Dreamer
from livedream.errors import OutputError, UsageError
from livedream.extras import installed
from livedream.files import require_different, require_writable
from livedream.frame import Frame, Image
from livedream.performance.state import PlayState
from livedream.settings import Settings
from livedream.sinks.encoding import Encoding
from livedream.sinks.recorder import Recorder
from livedream.sinks.snapshot import save_snapshot
from livedream.sources import open_source
from livedream.stage.composite import Composer
from livedream.vision.presence import PresenceDetector

log = logging.getLogger(__name__)

_BY_ITSELF = Encoding()
_PHOTOS = (".png", ".jpg", ".jpeg")
#: Ticks on a photograph: the dream on a still picture has settled by then.
_STILL_TICKS = 90
_CLASSIC_STEPS = 40
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
) -> None:
    """Dream ``source`` (a video, a photograph, or clouds) into ``output``, in the input's own size.

    A photograph is treated as a still camera for ``frames`` ticks, or dreamt once with ``classic``; written
    to a video, each tick is a picture, written by ``encoding``. Raises ``UsageError``, ``SourceError``,
    ``NetworkError``, ``OutputError``.
    """
    to_photo = output.suffix.lower() in _PHOTOS
    settings = PlayState.begin(settings, weights).settings
    require_different(source, output)
    require_writable(output)
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source, loop=False, realtime=False))
        still = opened.kind == "photo"
        if to_photo and not still:
            raise UsageError(
                f"{source} is no photograph, and {output.name} is one; possible: .mp4, .mkv, .mov"
            )
        if not still and opened.kind != "video" and frames is None:
            raise UsageError(f"{source} never ends: say how many with --frames N")
        recorder = None
        if not to_photo:
            fps = opened.fps or _STILL_FPS
            recorder = stack.enter_context(Recorder(output, fps=fps, encoding=encoding))
        if (classic or to_photo) and installed(
            "torch"
        ):  # full precision, which a single picture has time for
            backend = "pytorch"
        dreamer = _dreamer(settings, weights, device, backend)
        composer, presence = Composer(), PresenceDetector()
        if still:
            frames = frames or (1 if classic else _STILL_TICKS)
        expected = frames if still or opened.frame_count is None else min(opened.frame_count, frames or 10**9)
        bar = stack.enter_context(_bar(output.name, expected, classic))
        image: Image | None = None
        done = 0
        for frame in islice(_repeated(next(opened)) if still else opened, frames):
            done += 1
            image = _dreamt(dreamer, composer, presence, frame, settings, classic, bar.update)
            if recorder is not None:
                recorder.add(image, frame.time_s, wait=True)
                if recorder.error:
                    raise OutputError(recorder.error)
        if expected and done < expected - 1:  # a length is only an estimate, to a frame
            log.warning("%s gave only %d of its %d frames: it is damaged or cut off", source, done, expected)
        if to_photo and image is not None:
            _save(output, image, settings)
        if recorder is not None:
            recorder.finish()
    log.info("%s, by %s", output, dreamer.backend.name)


def _bar(name: str, pictures: int | None, classic: bool) -> tqdm[NoReturn]:
    """A progress bar of pictures, or of the classic loop's steps; without an end when nobody knows it."""
    if classic:
        return tqdm(total=pictures and pictures * _CLASSIC_STEPS, unit="step", desc=name)
    return tqdm(total=pictures, unit="frame", desc=name)


def _dreamer(settings: Settings, weights: Path | None, device: str, backend: str) -> Dreamer:
    threads = os.cpu_count() or 1  # nothing else runs here: all cores are the dream's
    return Dreamer(settings.network, weights=weights, device=device, backend=backend, threads=threads)


def _dreamt(
    dreamer: Dreamer,
    composer: Composer,
    presence: PresenceDetector,
    frame: Frame,
    settings: Settings,
    classic: bool,
    step: Callable[[], object],
) -> Image:
    image = frame.image
    if classic:
        dreamt = dreamer.classic(image, settings, step)
        return np.asarray(cv2.flip(dreamt, 1), np.uint8) if settings.mirror else dreamt
    residual = dreamer.tick(image, settings, time_s=frame.time_s)
    composer.see(image, frame.index, None, frame.time_s)
    assert composer.grey is not None
    presence.see(composer.grey, frame.time_s)
    size = image.shape[1], image.shape[0]
    picture = composer.compose(residual, frame.index, size, settings, presence=presence)
    assert picture is not None
    step()
    return picture


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
