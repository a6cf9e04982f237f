"""Excerpts: a worker decodes the very pictures that the whole film has there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livedream.errors import SourceError
from livedream.rendering.footage import Excerpt, Film, Survey, excerpt, survey
from tests.rendering.films import scene, write_film


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A film of three scenes, 20 frames each, with B-frames and a key frame every 12th."""
    images = [image for seed in (1, 2, 3) for image in scene(seed, 20)]
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", images)


@pytest.fixture(scope="module")
def found(path) -> Survey:
    with Film(str(path)) as film:
        return survey(film, None, lambda: None)


def test_a_look_through_a_film_finds_its_scenes_times_and_key_frames(found):
    assert found.scenes == (0, 20, 40)
    assert found.keys == (0, 12, 24, 36, 48)
    np.testing.assert_allclose(found.times_s, np.arange(60) / 10, atol=1e-9)
    assert found.whole
    assert found.size == (96, 72)


@pytest.mark.parametrize(("first", "end"), [(0, 60), (0, 5), (13, 14), (20, 40), (47, 60), (59, 60)])
def test_an_excerpt_has_the_films_pictures(path, found, first, end):
    with Film(str(path)) as film:
        whole = [(frame.index, frame.time_s, frame.begins_scene, film.image(frame)) for frame in film]
    with Excerpt(excerpt(str(path), found, first, end), found, first, end) as part:
        shown = [(frame.index, frame.time_s, frame.begins_scene, part.image(frame)) for frame in part]
    assert [frame[:3] for frame in shown] == [frame[:3] for frame in whole[first:end]]
    for mine, theirs in zip(shown, whole[first:end], strict=True):
        np.testing.assert_array_equal(mine[3], theirs[3])


def test_an_excerpt_is_a_small_part_of_the_film(path, found):
    assert len(excerpt(str(path), found, 20, 22)) < path.stat().st_size / 2


def test_a_film_with_frames_at_uneven_times_keeps_them(tmp_path):
    times = [0, 0.04, 0.5, 0.52, 1.3]
    film_path = write_film(tmp_path / "film.mkv", scene(1, 5), times_s=times)
    with Film(str(film_path)) as film:
        assert [round(frame.time_s, 3) for frame in film] == times


def test_pictures_that_differ_from_the_films_are_refused(path, found):
    data = excerpt(str(path), found, 20, 30)
    wrong = Survey(**{**vars(found), "prints": tuple(n + 1 for n in found.prints)})
    with (
        pytest.raises(SourceError, match="frame 20 of the video looks different"),
        Excerpt(data, wrong, 20, 30) as part,
    ):
        next(iter(part))
