"""Scene changes: cuts are found, and nothing else is taken for one."""

from __future__ import annotations

import av
import numpy as np
import pytest

from livedream.frame import resize
from livedream.rendering.scenes import SceneChanges, Thumbnails


def scenes_of(images: list[np.ndarray]) -> list[int]:
    changes, thumbnails = SceneChanges(), Thumbnails()
    frames = [av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24") for image in images]
    return [n for n, frame in enumerate(frames) if changes.begins(thumbnails.of(frame))]


@pytest.fixture
def another() -> np.ndarray:
    """A picture of something else: RGB uint8 (120, 160, 3)."""
    rng = np.random.default_rng(3)
    return resize(rng.integers(0, 256, (6, 8, 3), np.uint8), 160, 120)


def test_the_first_frame_begins_a_scene_and_so_does_each_cut(picture, another):
    assert scenes_of([picture] * 3 + [another] * 2 + [picture]) == [0, 3, 5]


def test_motion_is_no_cut(picture):
    assert scenes_of([np.roll(picture, 6 * n, 1) for n in range(12)]) == [0]


def test_a_lamp_is_no_cut(picture):
    assert scenes_of([picture, picture // 3, picture, 255 - (255 - picture) // 3]) == [0]


def test_a_dissolve_is_no_cut(picture, another):
    steps = np.linspace(0, 1, 20)
    assert scenes_of([((1 - a) * picture + a * another).astype(np.uint8) for a in steps]) == [0]


def test_noise_in_the_dark_is_no_cut():
    rng = np.random.default_rng(1)
    assert scenes_of([rng.integers(0, 12, (120, 160, 3), np.uint8) for _ in range(8)]) == [0]
