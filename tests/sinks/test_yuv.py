"""Colours on their way into a video: the standard of its size, and back as they were."""

import av
import numpy as np
import pytest

from livedream.sinks.yuv import BT601, BT709, fitted, standard_of, to_i420, to_nv12

# Smooth, so that nothing is lost to colours being stored at half the size.
ROWS, COLUMNS = np.mgrid[0:96, 0:160]
PICTURE = np.stack([COLUMNS * 255 // 159, ROWS * 255 // 95, 255 - COLUMNS * 255 // 159], 2).astype(np.uint8)


def back(planes, standard):
    """RGB again, by FFmpeg's own conversion."""
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.colorspace, frame.color_range = standard.matrix, 1
    return frame.reformat(format="rgb24", src_colorspace=standard.matrix, dst_color_range=2).to_ndarray()


@pytest.mark.parametrize("standard", [BT601, BT709])
def test_colours_come_back_as_they_were(standard):
    change = np.abs(back(to_i420(PICTURE, standard), standard).astype(int) - PICTURE)
    assert change.mean() < 2
    assert change.max() < 8


def test_the_wrong_standard_would_be_seen():
    change = np.abs(back(to_i420(PICTURE, BT709), BT601).astype(int) - PICTURE)
    assert change.max() > 20


def test_nv12_is_the_same_picture():
    planes = to_i420(PICTURE, BT709)
    frame = av.VideoFrame.from_ndarray(to_nv12(planes), format="nv12")
    np.testing.assert_array_equal(frame.reformat(format="yuv420p").to_ndarray(), planes)


@pytest.mark.parametrize(
    ("size", "standard"),
    [((720, 576), BT601), ((640, 480), BT601), ((1280, 720), BT709), ((720, 1280), BT709)],
)
def test_hd_has_a_standard_of_its_own(size, standard):
    assert standard_of(*size) is standard


def test_a_picture_of_another_shape_is_fitted_between_borders():
    found = fitted(np.full((200, 100, 3), 90, np.uint8), 160, 96)
    assert found.shape == (96, 160, 3)
    assert (found[:, 56:104] == 90).all()
    assert (found[:, :55] == 0).all()
