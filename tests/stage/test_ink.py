"""A drawing in ink: the room's light is gone, strokes stay, and strength fades it like any mix."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.settings import Settings
from livedream.stage.composite import Composer
from livedream.stage.ink import INK, PAPER

RESIDUAL = np.zeros((60, 80, 3), np.float32)
STROKE = np.s_[28:32, 20:60]


def drawn(level: float, residual: np.ndarray = RESIDUAL, **settings) -> np.ndarray:
    """A drawing of a plain wall of some brightness, RGB (60, 80, 3)."""
    composer = Composer()
    composer.see(np.full((60, 80, 3), level, np.uint8), 0, None, 0.0)
    wanted = Settings(mix="ink", mirror=False, **settings)
    return composer.compose(residual, 0, (80, 60), wanted).astype(float)


@pytest.mark.parametrize("level", [40, 120, 230])
def test_a_wall_is_paper_in_any_light_and_a_stroke_is_ink(level):
    residual = RESIDUAL.copy()
    residual[STROKE] = -150
    picture = drawn(level, residual)
    assert np.abs(picture[5, 5] - PAPER).max() < 35
    assert np.abs(picture[30, 40] - INK).max() < 35


def test_it_has_no_colours_but_those_of_paper_and_ink():
    residual = RESIDUAL.copy()
    residual[STROKE] = (120, -120, 40)
    picture = drawn(120, residual)
    assert np.ptp(picture - picture.mean((0, 1)), axis=2).max() < 25


def test_strength_fades_it_and_at_none_it_is_the_camera():
    whole, half, none = (drawn(100, strength=s)[5, 5].mean() for s in (1.0, 0.5, 0.0))
    assert none == 100
    assert 100 < half < whole
