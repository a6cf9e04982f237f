"""The dream is laid over the current frame at full resolution, moved to where the picture is now."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.stage.composite import Composer, freshness, lay_over, picture_size

PLAIN = {"strength": 1.0, "mirror": False}


@pytest.mark.parametrize(
    ("visible", "output", "size"),
    [
        ((640, 360), (1280, 720), (1280, 720)),
        ((640, 480), (1280, 720), (960, 720)),
        ((480, 640), (300, 300), (224, 300)),
    ],
)
def test_the_picture_is_as_large_as_fits_in_its_own_shape(visible, output, size):
    assert picture_size(visible, output) == size


def test_without_a_dream_the_picture_is_the_camera(picture):
    np.testing.assert_array_equal(lay_over(picture, None, (160, 120), 1.0), picture)


def test_the_dream_is_added_in_levels_and_held_in_range():
    grey = np.full((90, 160, 3), 100, np.uint8)
    residual = np.zeros((18, 32, 3), np.float32)
    residual[..., 0], residual[..., 1] = 30, -300
    picture = lay_over(grey, residual, (320, 180), 0.5)
    assert picture.shape == (180, 320, 3)
    assert picture[90, 160].tolist() == [115, 0, 100]


def test_before_any_frame_there_is_no_picture():
    assert Composer().compose(None, 0, (100, 100), **PLAIN) is None


def test_a_mirror_swaps_left_and_right(picture):
    composer = Composer()
    composer.see(picture, 0, None)
    mirrored = composer.compose(None, 0, (160, 120), strength=1.0, mirror=True)
    np.testing.assert_array_equal(mirrored, picture[:, ::-1])


def test_only_the_visible_part_is_shown(picture):
    composer = Composer()
    composer.see(picture, 0, 2.0)
    shown = composer.compose(None, 0, (160, 80), **PLAIN)
    np.testing.assert_array_equal(shown, picture[20:100])


@pytest.mark.parametrize(
    "known", [True, False], ids=["its own frame", "a neighbour, where its own was not shown"]
)
def test_an_old_dream_is_moved_to_where_the_picture_is_now(picture, known):
    composer = Composer()
    mark = np.zeros((120, 160, 3), np.float32)
    mark[50:70, 70:90] = 100
    composer.see(picture, 3 if known else 2, None)
    composer.compose(mark, 3, (160, 120), **PLAIN)
    moved = np.roll(picture, (0, 8), (0, 1))
    composer.see(moved, 5, None)
    shown = composer.compose(mark, 3, (160, 120), **PLAIN).astype(int) - moved
    centre = np.average(np.arange(160), weights=np.abs(shown).sum((0, 2)))
    assert abs(centre - (79.5 + 8)) < 1.5


def test_a_change_of_the_working_size_goes_through(picture):
    composer = Composer()
    composer.see(picture, 0, None)
    for n, shape in enumerate([(60, 80, 3), (120, 160, 3), (90, 160, 3)]):
        composer.see(picture, n + 1, None)
        shown = composer.compose(np.full(shape, 10, np.float32), n, (160, 120), **PLAIN)
        assert shown.shape == picture.shape


def test_a_dream_that_nobody_renews_fades_away():
    assert [freshness(age) for age in (0.0, 2.0, 3.0, 4.0, 100.0)] == [1.0, 1.0, 0.5, 0.0, 0.0]
