"""Shaped directions keep their size, and have more of what they are shaped for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.dream.shaping import shaped


@pytest.fixture
def noise():
    return np.random.default_rng(2).standard_normal((90, 121, 3), np.float32)


def coarse_share(x) -> float:
    height, width = x.shape[0] // 6, x.shape[1] // 6
    low = x[: 6 * height, : 6 * width].reshape(height, 6, width, 6, 3).mean((1, 3))
    return float(np.square(low).mean() / np.square(x).mean())


def coloured(x):
    return x - x.mean(2, keepdims=True)


def test_without_shaping_nothing_changes(noise):
    assert shaped(noise, "none") is noise
    np.testing.assert_array_equal(shaped(noise, "none", 1.0), noise)


@pytest.mark.parametrize("how", ["smooth", "laplacian", "colour"])
def test_the_size_is_what_was_asked_for_and_an_empty_direction_stays_empty(noise, how):
    assert float(np.abs(shaped(noise, how)).mean()) == pytest.approx(1, abs=1e-3)
    assert float(np.abs(shaped(noise, how, size=0.4)).mean()) == pytest.approx(0.4, abs=1e-3)
    assert shaped(noise, how).shape == noise.shape
    assert not shaped(np.zeros_like(noise), how).any()


def test_without_shaping_only_the_size_changes(noise):
    np.testing.assert_allclose(shaped(noise, "none", size=0.5), noise / 2)


@pytest.mark.parametrize("how", ["smooth", "laplacian"])
def test_coarse_parts_gain(noise, how):
    assert coarse_share(shaped(noise, how)) > 2 * coarse_share(noise)


def test_balancing_gives_each_level_of_the_pyramid_the_same_energy():
    """Against the definition: what each halving takes away, divided by its root mean square."""
    x = np.random.default_rng(2).standard_normal((96, 128, 3), np.float32)
    expected, rest = np.zeros_like(x), x
    for _ in range(3):
        low = rest.reshape(rest.shape[0] // 2, 2, rest.shape[1] // 2, 2, 3).mean((1, 3))
        fine = rest - cv2.resize(low, rest.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        expected += enlarged(fine / np.sqrt(np.square(fine).mean()), x.shape)
        rest = low
    expected += enlarged(rest / np.sqrt(np.square(rest).mean()), x.shape)
    found = shaped(x, "laplacian")
    cosine = (found * expected).sum() / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.999


def enlarged(x, shape):
    while x.shape != shape:
        x = cv2.resize(x, (2 * x.shape[1], 2 * x.shape[0]), interpolation=cv2.INTER_LINEAR)
    return x


def test_colours_come_closer_to_grey(noise):
    def chroma(x) -> float:
        return float(np.square(coloured(x)).mean() / np.square(x).mean())

    assert chroma(shaped(noise, "colour")) < 0.3 * chroma(noise)


def test_strokes_keep_their_fine_colours_and_lose_the_coarse(noise):
    balanced, strokes = (shaped(noise, "laplacian", share) for share in (0.0, 1.0))
    assert coarse_share(coloured(strokes)) < 0.2 * coarse_share(coloured(balanced))
    grey = [x.mean(2).ravel() for x in (balanced, strokes)]
    assert grey[0] @ grey[1] / np.linalg.norm(grey[0]) / np.linalg.norm(grey[1]) > 0.95
