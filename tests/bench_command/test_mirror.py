"""The mirror's loop and two others on the same frames, and the curve."""

from __future__ import annotations

import numpy as np
import pytest

from livedream.bench.forerunner import ForerunnerLoop
from livedream.bench.mirror import CURVE_STEPS, WARM_UP, measure_curve, measure_mirror
from livedream.frame import Frame
from livedream.settings import Settings

SETTINGS = Settings(network="dreamnet", layer="parts", working_px=320)


def frames(count=1000):
    image = np.full((360, 640, 3), 99, np.uint8)
    return (Frame(image, n, n / 30) for n in range(count))


def test_three_loops_dream_on_the_same_frames(dreamer, clock):
    moved = []
    row = measure_mirror(
        dreamer, SETTINGS, frames(), 60, "a video", progress=lambda: moved.append(1), clock=clock
    )
    assert (row.frames, len(moved), len(dreamer.ticks)) == (60, 60, 60)
    assert (row.width, row.height, row.layer, row.backend) == (320, 180, "parts", "OpenVINO cpu bf16")
    assert row.tick_ms == pytest.approx(1.0)  # the clock's
    assert row.ticks_per_s == pytest.approx(1000.0)
    assert row.classic.frame_ms == row.forerunner.frame_ms == pytest.approx(1.0)


def test_strength_is_the_log_of_the_ratio_of_the_norms(dreamer, clock):
    row = measure_mirror(dreamer, SETTINGS, frames(), 60, "a video", clock=clock)
    assert row.classic.strength == pytest.approx(np.log(101 / 100), abs=1e-4)
    assert row.strength_per_ms == pytest.approx(row.strength / row.tick_ms, rel=1e-3)
    # the frames that are judged are the 30th to the 59th, each a level brighter in the fake dream
    assert np.log(130 / 100) < row.strength < np.log(160 / 100)


def test_a_video_that_ends_early_has_no_row(dreamer, clock):
    assert measure_mirror(dreamer, SETTINGS, frames(WARM_UP), 60, "a video", clock=clock) is None


def test_the_curve_covers_the_steps_on_one_octave(dreamer, clock):
    rows = list(measure_curve(dreamer, SETTINGS, (128, 72), clock=clock))
    assert [row.steps for row in rows] == list(CURVE_STEPS)
    assert rows[0].ns_per_pixel_step == pytest.approx(1e6 / (128 * 72), rel=1e-3)
    assert {octaves for _, _, octaves in dreamer.ticks} == {1}
    assert {shape for shape, _, _ in dreamer.ticks} == {(72, 128, 3)}


def test_the_forerunners_dream_moves_with_the_camera():
    rng = np.random.default_rng(0)
    wide = np.kron(rng.integers(60, 180, (12, 20, 3)), np.ones((10, 10, 1))).astype(np.uint8)

    def spot(image):
        direction = np.zeros_like(image)
        direction[40:60, 60:80] = 75.0  # 60 levels
        return direction

    loop = ForerunnerLoop(spot)
    loop._rng = type("Still", (), {"integers": staticmethod(lambda low, high: 0)})
    first = loop(np.ascontiguousarray(wide[:, 8:168]))
    loop._gradient = np.zeros_like
    second = loop(np.ascontiguousarray(wide[:, 4:164]))  # everything is 4 px further to the right
    dreamt = [np.float32(d) - wide[:, left : left + 160] > 30 for d, left in ((first, 8), (second, 4))]
    centres = [np.argwhere(d)[:, 1].mean() for d in dreamt]
    assert centres[1] - centres[0] == pytest.approx(4, abs=1.0)


def test_the_forerunners_dream_keeps_a_tenth_of_the_camera():
    loop = ForerunnerLoop(np.zeros_like)
    loop(np.full((48, 64, 3), 100, np.uint8))
    assert loop(np.full((48, 64, 3), 200, np.uint8)).mean() == pytest.approx(110, abs=1)
