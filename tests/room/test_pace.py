"""Sessions tick at their rate, and come into step with the camera."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.room.pace import Pace


def run(rate_hz: float, camera_hz: float, seconds: float = 20.0, first_s: float = 0.01):
    """Ticks a second, and how long pictures waited for theirs in the second half."""
    pace, interval_s, step_s = Pace(), 1 / rate_hz, 1e-4
    ticks, waited, picture_s = 0, [], first_s
    arrived_s, expected_s = None, 0.0
    for n in range(round(seconds / step_s)):
        now = n * step_s
        if now >= picture_s:
            arrived_s, picture_s = now, picture_s + 1 / camera_hz
            expected_s = now + 1 / camera_hz
        if pace.wait_s(now, interval_s, fresh=arrived_s is not None, expected_s=expected_s) <= 0:
            pace.ticks(now, interval_s, fresh=arrived_s is not None)
            ticks += 1
            if arrived_s is not None:
                waited.append(now - arrived_s)
                arrived_s = None
    return ticks / seconds, np.array(waited[len(waited) // 2 :])


@pytest.mark.parametrize("rate_hz", [30.0, 60.0, 90.0])
@pytest.mark.parametrize("camera_hz", [29.8, 30.0, 30.2])
def test_pictures_do_not_wait_once_ticks_are_in_step(rate_hz, camera_hz):
    found_hz, waited = run(rate_hz, camera_hz, first_s=0.011)
    assert found_hz == pytest.approx(rate_hz, rel=0.02)
    assert np.percentile(waited, 95) < 0.002


@pytest.mark.parametrize("camera_hz", [24.0, 30.0, 50.0, 60.0, 120.0])
@pytest.mark.parametrize("rate_hz", [25.0, 30.0, 60.0])
def test_the_rate_is_kept_whatever_the_cameras(rate_hz, camera_hz):
    found_hz, _ = run(rate_hz, camera_hz)
    assert rate_hz / 1.25 < found_hz < 1.03 * rate_hz


def test_what_was_missed_is_not_caught_up():
    pace = Pace()
    pace.ticks(0.0, 0.1, fresh=False)
    pace.ticks(5.0, 0.1, fresh=True)
    assert pace.wait_s(5.0, 0.1, fresh=False) == pytest.approx(0.05)
