"""The measures of a dream's economy, on changes whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.bench.measures import crops, economy

GREY = np.full((96, 160, 3), 128, np.uint8)


def test_a_large_form_is_coarse_and_a_chequer_is_fine():
    rows, columns = np.indices(GREY.shape[:2])
    chequer = np.where((rows + columns) % 2, 138, 118).astype(np.uint8)[..., None].repeat(3, 2)
    found = economy(chequer, GREY)
    assert found["rms"] == pytest.approx(10)
    assert found["fine"] == pytest.approx(10, rel=0.05)
    assert found["coarse"] < 0.01
    form = (128 + 10 * np.sin(columns / 25)).round().astype(np.uint8)[..., None].repeat(3, 2)
    found = economy(form, GREY)
    assert found["fine"] < 0.5
    assert found["coarse"] > 0.9


def test_crops_cover_an_image():
    image = np.zeros((180, 320, 3), np.uint8)
    image[:, -1] = image[-1] = 255
    found = crops(image)
    assert found.shape == (11, 224, 224, 3)
    assert found[2, :, -1].min() > 200  # the right edge
    assert found[3:6, -1].max() < 50  # of the upper row, but for the right edge
    assert found[7:, -1].min() > 200
