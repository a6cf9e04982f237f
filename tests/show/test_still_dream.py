"""What was last dreamt is laid over the camera, frame after frame, while no process dreams."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.ipc.slots import Value
from livedream.show.still_dream import StillDream


def residual(level: float) -> Value:
    return Value(7, np.full((9, 16, 3), level, np.float32), 3, 50.0, 12, 16 / 9)


def frame(seq: int) -> Value:
    return Value(seq, np.zeros((90, 160, 3), np.uint8), 1000 + seq, 100.0 + seq / 30)


def test_it_comes_slowly_and_belongs_to_each_frame():
    still = StillDream()
    still.keep(residual(20.0), well_s=8.0)
    found = [still.residual(100.0 + n / 30, frame(n + 1), 4 / 3) for n in range(120)]
    assert found[0].array.max() == 0
    assert found[45].array.max() == pytest.approx(10.0)
    assert found[-1].array.max() == 20.0
    assert found[-1].index == 1120
    assert found[-1].aspect == 4 / 3
    assert len({value.seq for value in found}) == 120
    assert max(value.seq for value in found) < 0


def test_there_is_one_for_each_frame_and_none_without():
    still = StillDream()
    assert still.residual(100.0, frame(1), None) is None  # nothing was dreamt yet
    still.keep(residual(20.0), well_s=8.0)
    assert still.residual(100.0, None, None) is None
    assert still.residual(100.0, frame(1), None) is not None
    assert still.residual(100.1, frame(1), None) is None


def test_a_dream_that_has_taken_shape_is_not_replaced_by_a_young_one():
    still = StillDream()
    still.keep(residual(1.0), well_s=0.5)
    still.keep(residual(20.0), well_s=8.0)
    still.keep(residual(1.0), well_s=0.5)
    still.residual(100.0, frame(1), None)
    assert still.residual(110.0, frame(2), None).array.max() == 20.0
