"""Guide pictures are found, loaded, and looked at once for each layer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.dream.guides import Guides, guide_images, load_guide
from livedream.errors import UsageError


@pytest.fixture
def folder(tmp_path):
    for name, level in (("b.jpg", 40), ("a.png", 200)):
        cv2.imwrite(str(tmp_path / name), np.full((300, 600, 3), (level, 0, 0), np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


class Eye:
    """A backend that sees the mean colour of each quarter, and counts how often it looks."""

    looks = 0

    def features(self, image, layer):
        self.looks += 1
        assert image.dtype == np.float32
        return cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA).reshape(4, 3).T


def test_the_pictures_of_a_folder_come_in_order(folder):
    names = [str(folder / "a.png"), str(folder / "b.jpg")]
    assert list(guide_images(str(folder))) == list(guide_images(names[1])) == names
    assert guide_images(str(folder / "nowhere" / "c.png")) == ()


def test_a_picture_is_loaded_small_in_rgb_and_a_folder_gives_its_first(folder):
    image = load_guide(str(folder))
    assert image.shape == (128, 256, 3)
    assert image[0, 0].tolist() == [0, 0, 200]


@pytest.mark.parametrize(
    ("name", "message"),
    [("notes.txt", "is not an image"), ("c.png", "No such file"), ("empty", "a folder without images")],
)
def test_what_cannot_be_loaded_is_said_clearly(folder, name, message):
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=f"guide .*{message}.*; expected an image, or a folder"):
        load_guide(str(folder / name))


def test_a_layer_looks_once_at_a_guide(folder):
    eye, guides = Eye(), Guides()
    first = guides.guide(str(folder), "net", "edges", eye)
    assert first.features.shape == (3, 4)
    assert guides.guide(str(folder), "net", "edges", eye) is first
    assert eye.looks == 1
    guides.guide(str(folder), "net", "parts", eye)
    assert eye.looks == 2
