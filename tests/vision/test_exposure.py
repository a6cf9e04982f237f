"""A dark image is lifted, slowly, and falls back quickly."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.vision.exposure import Exposure, gain_for


@pytest.fixture
def ramp():
    """From black to white, 100×160."""
    return np.broadcast_to(np.linspace(0, 255, 160)[None, :, None], (100, 160, 3)).astype(np.uint8)


def test_a_light_image_is_passed_on_as_it_is(ramp):
    assert Exposure()(ramp, 1 / 30) is ramp


def test_a_dark_image_is_lifted_and_keeps_its_order_black_and_white(ramp):
    dark = ramp // 6
    dark[:2, :2] = 255
    exposure = Exposure()
    lifted = exposure(dark, 1 / 30)
    assert 2 < exposure.gain <= 4
    assert np.percentile(lifted, 90) == pytest.approx(90, abs=4)
    assert (np.diff(lifted[50, :, 0].astype(int)) >= 0).all()
    assert lifted[0, 0].tolist() == [255] * 3
    assert lifted[50, 0].tolist() == [0] * 3


def test_black_is_no_failure():
    assert gain_for(np.zeros((90, 160, 3), np.uint8)) == 4


def test_the_gain_follows_in_seconds_slowly_into_the_dark_and_quickly_into_the_light(ramp):
    for rate_hz in (20, 60):
        exposure = Exposure()
        exposure(ramp, 1 / rate_hz)
        for _ in range(rate_hz):
            exposure(ramp // 16, 1 / rate_hz)
        assert exposure.gain == pytest.approx(2.5, rel=0.05)  # half of the way to 4 after one half-life
        for _ in range(rate_hz):
            exposure(ramp, 1 / rate_hz)
        assert exposure.gain < 1.05


def test_where_that_is_not_wanted_the_dark_stays_dark(ramp):
    dark = ramp // 6
    assert Exposure()(dark, 1 / 30, wanted=False) is dark
