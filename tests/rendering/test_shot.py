"""A shot that is dreamt apart is the uncut film's, where it begins with a scene; else dreams dissolve."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from livedream.errors import BackendError, NetworkError
from livedream.networks.graphs import weights_hash
from livedream.rendering import render as render_module
from livedream.rendering import shot as shot_module
from livedream.rendering.cutting import Shot
from livedream.rendering.footage import Film, Survey, excerpt, survey
from livedream.rendering.render import render
from livedream.rendering.shot import (
    Dreamt,
    Job,
    dissolve,
    dissolved,
    dream_shot,
    open_dreamer,
    packed,
    unpacked,
)
from livedream.settings import Settings
from livedream.sinks.encoding import Encoding
from tests.rendering.films import pictures_of, scene, write_film

SETTINGS = Settings(mirror=False, working_px=96, steps=1, layer="textures", journey=True, journey_hold_s=1)
JOB = Job(
    settings=SETTINGS,
    weights=None,
    weights_sha256=weights_hash("dreamnet", None),
    device="cpu",
    backend="auto",
    threads=1,
    classic=False,
    encoding=Encoding("x264"),
    suffix=".mp4",
    version=importlib.metadata.version("livedream"),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """Three scenes, 12 frames each."""
    images = [image for seed in (1, 2, 3) for image in scene(seed, 12)]
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", images)


@pytest.fixture(scope="module")
def found(path) -> Survey:
    with Film(str(path)) as film:
        return survey(film, None, lambda: None)


def dreamt(path: Path, found: Survey, shot: Shot, job: Job = JOB) -> Dreamt:
    data = excerpt(str(path), found, shot.watched, shot.end + shot.tail)
    return dream_shot(job, found, shot, data, lambda frames: None)


@pytest.fixture
def painted(monkeypatch) -> list[np.ndarray]:
    """What is given to encoders, picture by picture."""
    pictures: list[np.ndarray] = []
    write = shot_module.add

    def add(recorder, picture, time_s):
        pictures.append(picture.copy())
        write(recorder, picture, time_s)

    monkeypatch.setattr(shot_module, "add", add)
    monkeypatch.setattr(render_module, "add", add)
    return pictures


def test_a_shot_of_whole_scenes_is_dreamt_as_in_the_uncut_film(path, found, painted, tmp_path):
    render(str(path), tmp_path / "out.mp4", SETTINGS)
    uncut = painted.copy()
    painted.clear()
    dreamt(path, found, Shot(1, 12, 36, 12, 12, 12))
    assert len(painted) == 24
    for mine, theirs in zip(painted, uncut[12:], strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.full
@pytest.mark.slow
def test_so_is_each_frame_by_the_original_algorithm(path, found, painted, tmp_path):
    render(str(path), tmp_path / "out.mp4", SETTINGS, frames=2, classic=True)
    uncut = painted.copy()
    painted.clear()
    dreamt(path, found, Shot(1, 1, 2, 1, 1, 1), replace(JOB, classic=True, backend="pytorch"))
    np.testing.assert_array_equal(painted, uncut[1:])


def test_a_worker_that_dreamt_another_shot_before_dreams_the_same(path, found):
    shot = Shot(2, 24, 36, 24, 24, 24)
    first = dreamt(path, found, shot)
    dreamt(path, found, Shot(0, 0, 12, 0, 0, 0))
    assert dreamt(path, found, shot) == first


def test_where_a_scene_is_cut_both_shots_have_the_residuals_of_the_same_frames(path, found, tmp_path):
    before = dreamt(path, found, Shot(0, 0, 6, 0, 0, 0, tail=4))
    shot = Shot(1, 6, 12, 0, 2, 6, head=4)
    after = dreamt(path, found, shot)
    assert unpacked(before.tail).shape == unpacked(after.head).shape == (4, 72, 96, 3)
    (tmp_path / "between.mp4").write_bytes(
        dissolve(JOB, found, shot, excerpt(str(path), found, 0, 10), before.tail, after.head)
    )
    (tmp_path / "after.mp4").write_bytes(after.video)
    assert len(pictures_of(tmp_path / "between.mp4")) == 4
    assert len(pictures_of(tmp_path / "after.mp4")) == 2


def test_dreams_dissolve_without_a_jump_and_without_growing_weak():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 50, 3)).astype(np.float32) * 20
    between = dissolved(np.stack([a] * 9), np.stack([b] * 9))
    strengths = [float(np.sqrt(np.square(r).mean())) for r in between]
    assert min(strengths) > 0.97 * 20
    assert max(strengths) < 1.03 * 20
    steps = [float(np.abs(y - x).mean()) for x, y in zip([a, *between], [*between, b], strict=True)]
    assert max(steps) < 0.25 * np.abs(b - a).mean()


def test_packed_residuals_come_back():
    residuals = np.linspace(-90, 90, 2 * 4 * 5 * 3, dtype=np.float32).reshape(2, 4, 5, 3)
    np.testing.assert_allclose(unpacked(packed(list(residuals))), residuals, atol=1 / 16)


def test_a_worker_with_other_weights_or_another_livedream_says_so():
    with pytest.raises(NetworkError, match=r"weights of dreamnet are others.*possible: the same file"):
        open_dreamer(replace(JOB, weights_sha256="0" * 64))
    with pytest.raises(BackendError, match=r"found livedream .*; expected 99"):
        open_dreamer(replace(JOB, version="99"))
    with pytest.raises(NetworkError, match="no such file"):
        open_dreamer(replace(JOB, weights=Path("/nowhere/weights.npz")))
