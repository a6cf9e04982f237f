"""The network sees a dark, noisy camera lifted and calm; the residual is scaled for what visitors see."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.dream.sight import Sight
from livedream.settings import Settings

TICK_S = 1 / 30


@pytest.fixture
def dark(picture):
    return picture // 6


def test_a_dream_in_the_dark_has_less_contrast_and_in_the_light_all(picture, dark):
    residual = np.full((120, 160, 3), 20, np.float32)
    sight = Sight()
    assert sight(picture, Settings(), TICK_S) is picture
    assert sight.laid_over(residual) is residual
    sight = Sight()
    assert sight(dark, Settings(), TICK_S).mean() > 2 * dark.mean()
    assert 9 < sight.laid_over(residual).mean() < 15


def test_a_dream_that_is_fed_back_is_not_lifted(dark):
    sight = Sight()
    assert sight(dark, Settings(feedback=0.5), TICK_S) is dark
    residual = np.ones((120, 160, 3), np.float32)
    assert sight.laid_over(residual) is residual


def test_no_tick_jumps_when_feedback_begins_in_the_dark(dark):
    sight, residual = Sight(), np.full((1, 1, 3), 20, np.float32)
    found = []
    for n in range(90):
        sight(dark, Settings(feedback=float(n >= 30)), TICK_S)
        found.append(float(sight.laid_over(residual).mean()))
    assert found[-1] == 20
    assert np.abs(np.diff(found)).max() < 2.5
