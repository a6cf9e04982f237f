"""Crops, working sizes and resizing."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.frame import crop_to_aspect, resize, working_size


@pytest.mark.parametrize(
    ("shape", "aspect", "kept"),
    [
        ((480, 640), 16 / 9, (360, 640)),
        ((480, 640), 9 / 16, (480, 270)),
        ((480, 640), None, (480, 640)),
        ((1, 1), 5.0, (1, 1)),
    ],
)
def test_the_largest_crop_of_the_aspect_is_kept(shape, aspect, kept):
    image = np.zeros((*shape, 3), np.uint8)
    assert crop_to_aspect(image, aspect).shape[:2] == kept


def test_the_crop_is_centred():
    image = np.tile(np.arange(100, dtype=np.uint8)[None, :, None], (50, 1, 3))
    assert crop_to_aspect(image, 1.0)[0, :, 0].tolist() == list(range(25, 75))


@pytest.mark.parametrize(
    ("size", "longer", "found"),
    [
        ((1280, 720), 320, (320, 180)),
        ((720, 1280), 256, (144, 256)),
        ((400, 100), 64, (192, 48)),
        ((4000, 10), 64, (1280, 48)),
    ],
)
def test_the_working_size_has_the_longer_side_asked_for(size, longer, found):
    assert working_size(*size, longer) == found


def test_resizing_shrinks_by_averaging():
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    assert abs(int(resize(board, 16, 16).max()) - int(resize(board, 16, 16).min())) <= 1
