"""The sky is a function of seed and time, always has clouds and blue in it, and is never overexposed."""

import numpy as np
import pytest

from livedream.sources.clouds import Clouds, CloudSource

SIZE = (320, 180)


@pytest.fixture(scope="module")
def sky():
    return Clouds(SIZE)


def test_the_same_seed_and_time_give_the_same_sky(sky):
    first = sky.image(12.5)
    sky.image(80.0)
    assert np.array_equal(first, sky.image(12.5))
    assert np.array_equal(first, Clouds(SIZE).image(12.5))
    assert not np.array_equal(first, Clouds(SIZE, seed=6).image(12.5))


def test_an_image_belongs_to_the_caller(sky):
    first = sky.image(0.0)
    kept = first.copy()
    sky.image(30.0)
    assert np.array_equal(first, kept)


def test_the_sky_moves_smoothly_and_has_changed_after_a_minute(sky):
    start = sky.image(0.0).astype(int)
    assert 0 < np.abs(sky.image(1 / 30).astype(int) - start).mean() < 1.0
    assert np.abs(sky.image(60.0).astype(int) - start).mean() > 15.0


def test_clouds_change_shape_instead_of_merely_passing_by(sky):
    start, later = sky.image(0.0)[..., 0].astype(float), sky.image(20.0)[..., 0].astype(float)
    rows = slice(0, 40)  # where the sky is nearest, so that one shift holds for all of them
    best = min(
        np.abs(later[rows, shift:] - start[rows, : SIZE[0] - shift]).mean() for shift in range(SIZE[0] // 2)
    )
    assert best > 3.0


@pytest.mark.parametrize("t_s", [0.0, 5.0, 60.0, 600.0, 86_400.0])
@pytest.mark.parametrize("seed", [0, 5])
def test_the_sky_has_contrast_blue_and_white_and_is_not_overexposed(t_s, seed):
    image = Clouds(SIZE, seed).image(t_s)
    assert image.shape == (180, 320, 3)
    assert image.dtype == np.uint8
    assert 30 < image.std() < 75
    assert image.max() < 255
    blueness = image[..., 2].astype(int) - image[..., 0]
    assert 0.1 < (blueness < 40).mean() < 0.85  # the fraction covered by clouds
    assert (image.min(axis=2) > 200).mean() > 0.01  # sunlit tops
    flat = (image.min(axis=2) >= 240).mean()
    assert flat < 0.15


def test_blue_is_dithered_so_that_it_does_not_band(sky):
    column = sky.image(0.0)[:, :, 2].astype(int)
    assert (np.abs(np.diff(column, axis=1)) == 1).mean() > 0.1


@pytest.mark.parametrize("size", [(1280, 720), (360, 640), (33, 17)])
def test_any_size(size):
    image = Clouds(size).image(3.0)
    assert image.shape == (size[1], size[0], 3)
    assert image.flags.c_contiguous


def test_as_a_source_it_keeps_its_rate_and_ends_when_closed(clock):
    with CloudSource(SIZE, clock=clock, sleep=clock.sleep) as source:
        frames = [next(source) for _ in range(4)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx([1 / 30] * 3)
    assert list(source) == []


def test_without_realtime_frames_are_stamped_by_index():
    with CloudSource(SIZE, realtime=False) as source:
        frames = [next(source) for _ in range(3)]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    assert np.array_equal(frames[2].image, Clouds(SIZE).image(2 / 30))
