"""What the mirror senses for the modulation."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from livedream.show.senses import Senses, daylight, distance


def test_the_day_goes_from_midnight_over_noon_to_midnight():
    day = [daylight(datetime(2026, 3, 1, hour)) for hour in (0, 6, 12, 18)]
    assert day == pytest.approx([0.0, 0.5, 1.0, 0.5])
    assert daylight(datetime(2026, 3, 1, 23, 59, 59)) < 1e-6


def test_what_moves_is_far_when_it_is_small():
    moving = np.zeros((90, 160), np.float32)
    assert distance(None) == distance(moving) == 1.0
    moving[45:54, 20:30] = 1.0
    assert distance(moving) == pytest.approx(0.9)
    moving[:, 20:30] = 1.0
    assert distance(moving) == 0.0


def test_visitors_are_sensed_only_where_somebody_can_be():
    there = SimpleNamespace(presence=0.8, motion=0.3, somebody=True, moving=np.ones((9, 16), np.float32))
    picture = SimpleNamespace(somebody=True, presence=there)
    sense = Senses(picture, {"bass": 0.6}.__getitem__, clock=lambda: datetime(2026, 3, 1, 12))
    assert [sense(name) for name in ("presence", "motion", "distance", "time_of_day")] == [0.8, 0.3, 0.0, 1.0]
    there.somebody = False
    assert sense("motion") == 0.0
    picture.somebody = None
    assert [sense(name) for name in ("presence", "motion", "distance")] == [0.0] * 3
    assert sense("bass") == 0.6
    assert sense("time_of_day") == 1.0
