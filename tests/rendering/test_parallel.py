"""Films rendered by several workers: the same film, whatever ends in between. Ray is real."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from livedream.errors import MissingPackageError
from livedream.rendering import render as render_module
from livedream.rendering.parallel import Crew
from livedream.rendering.render import render
from livedream.settings import Settings
from livedream.sinks.encoding import Encoding
from tests.rendering.films import pictures_of, scene, sound_of, times_of, write_film

ROOT = Path(__file__).parents[2]
FAST = Settings(mirror=False, working_px=96, steps=1, layer="textures")
FLAGS = ["--working-px", "96", "--steps", "1", "--layer", "textures", "--encoder", "x264"]
#: Ray takes seconds to start, and longer on a machine that has much else to do.
PATIENCE_S = 200

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Three scenes of 8, 8 and 22 seconds, the last of which is cut in two; with a tone."""
    images = [image for seed, frames in ((1, 80), (2, 80), (3, 220)) for image in scene(seed, frames)]
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", images, sound=True)


class Command:
    """``livedream render`` in a process of its own, and what it says."""

    def __init__(self, *words: str) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livedream", "render", *words, *FLAGS],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C is ignored by what a shell runs in the background, and by its children.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as said:
            for line in said:
                self.said += [line]

    def until(self, what: Callable[[], object]) -> None:
        """Wait for something while the command runs."""
        end = time.monotonic() + PATIENCE_S
        while not what():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < end, self.text
            time.sleep(0.05)

    def end(self) -> int:
        """Its exit code."""
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        return code

    @property
    def text(self) -> str:
        return "".join(self.said)

    def workers(self) -> list[psutil.Process]:
        """The processes that dream just now."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "ray::dream_remotely" in " ".join(child.cmdline()):
                    found.append(child)
        return found


@contextmanager
def command(*words: str) -> Iterator[Command]:
    running = Command(*words)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
        running.end()


def kept(output: Path) -> list[str]:
    """The files that are finished."""
    try:
        manifest = json.loads((output.parent / f"{output.name}.parts" / "manifest.json").read_text())
    except (OSError, ValueError):
        return []
    return list(manifest["files"])


@needs_ray
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_what_is_finished_is_kept_and_a_killed_workers_shot_is_dreamt_again(film, tmp_path):
    output, uncut = tmp_path / "out.mp4", tmp_path / "uncut.mp4"
    words = (str(film), str(output), "--workers", "1", "--longest-shot", "20")
    with command(*words) as first:
        first.until(lambda: kept(output))
        first.process.send_signal(signal.SIGINT)
        assert first.end() == 1
        assert "of 4 shots are finished, and kept in" in first.text
        assert "livedream: stopped" in first.text
        assert "Traceback" not in first.text
    assert not output.exists()
    with command(*words) as second:
        second.until(second.workers)
        second.workers()[0].kill()
        assert second.end() == 0, second.text
        assert "of 4 shots were finished before" in second.text
    assert not kept(output)
    assert list(tmp_path.iterdir()) == [output]

    render(str(film), uncut, FAST, encoding=Encoding("x264"))
    np.testing.assert_allclose(times_of(output), times_of(uncut), atol=1e-3)
    assert sound_of(output) == sound_of(uncut) == sound_of(film)
    pairs = zip(pictures_of(output), pictures_of(uncut), strict=True)
    differences = np.array([np.abs(mine.astype(int) - theirs).mean() for mine, theirs in pairs])
    assert differences[:80].max() == 0  # the first shot: not even the encoder sees a difference
    assert differences[: 160 + 110].max() < 5  # all but the last scene's second half, which is another dream
    assert differences.max() < 30


@needs_ray
def test_a_cluster_that_is_not_there_is_one_line(film, tmp_path):
    with command(str(film), str(tmp_path / "out.mp4"), "--ray", "127.0.0.1:1") as running:
        assert running.end() == 1
        assert "no Ray can be joined at 127.0.0.1:1" in running.text
        assert "Traceback" not in running.text


def test_without_ray_one_line_says_how_to_add_it(film, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r"several workers needs .*ray.*--extra room"):
        render(str(film), tmp_path / "out.mp4", FAST, crew=Crew(2, None, 60))


@pytest.mark.parametrize(
    ("changed", "frames", "why"),
    [({"feedback": 0.5}, 20, "goes on from itself for ever"), ({}, 20, "too short to be cut")],
)
def test_what_cannot_be_cut_is_rendered_by_one_and_that_is_said(
    film, tmp_path, monkeypatch, caplog, changed, frames, why
):
    monkeypatch.setattr(render_module, "require_extra", lambda *_: None)
    render(str(film), tmp_path / "out.mp4", FAST.replace(**changed), frames=frames, crew=Crew(2, None, 60))
    assert why in caplog.text
    assert "is rendered by one process" in caplog.text
    assert len(pictures_of(tmp_path / "out.mp4")) == frames
