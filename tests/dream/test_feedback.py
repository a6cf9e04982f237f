"""What is carried moves with the image, fades over time, is dropped where the image is new, feeds back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.dream.feedback import Feedback, displacement, motion, washes
from livedream.frame import Array, Image
from livedream.settings import Settings

#: A half-life of one tick.
TICK_S = 0.03
STILL = Settings(persistence_s=TICK_S)


def begun(frame: Image, tick_s: float = TICK_S) -> Feedback:
    feedback = Feedback()
    feedback.follow(frame, STILL, tick_s)
    return feedback


def test_on_a_still_image_it_fades_by_its_half_life_and_novelty_vanishes(picture):
    feedback = begun(picture)
    assert feedback.novelty.min() > 0.9
    feedback.residual[:] = 40
    feedback.follow(picture, STILL, TICK_S)
    np.testing.assert_allclose(feedback.residual, 20)
    for _ in range(40):
        feedback.follow(picture, STILL, TICK_S)
    assert feedback.novelty.max() < 0.03


@pytest.mark.parametrize("feedback_setting", [0.0, 0.6])
def test_a_second_on_a_still_image_is_the_same_in_few_ticks_and_in_many(picture, feedback_setting):
    settings = Settings(persistence_s=2.0, feedback=feedback_setting)
    found = []
    for ticks in (10, 60):
        feedback = begun(picture, 1 / ticks)
        feedback.residual[:] = 20 * np.sin(np.arange(160) / 2)[:, None]
        novelty = [feedback.novelty.mean()]
        for _ in range(ticks):
            feedback.follow(picture, settings, 1 / ticks)
            feedback.settle(feedback.residual, feedback.momentum, settings, 1 / ticks)
            novelty.append(feedback.novelty.mean())
        found.append((np.abs(feedback.residual).mean(), np.sum(novelty) / ticks))
    assert found[0] == pytest.approx(found[1], rel=0.1)


def test_novelty_in_motion_is_the_same_when_frames_are_skipped_or_seen_twice(picture):
    """A camera of 30 frames a second at 15, 30 and 60 ticks a second."""
    found = []
    for ticks_hz in (15, 30, 60):
        feedback = begun(picture, 1 / ticks_hz)
        novelty = []
        for n in range(1, 2 * ticks_hz):
            feedback.follow(np.roll(picture, n * 30 // ticks_hz, 1), STILL, 1 / ticks_hz)
            novelty.append(np.median(feedback.novelty))
        found.append(np.mean(novelty[ticks_hz:]))
    assert found == pytest.approx([found[1]] * 3, rel=0.1)
    assert found[1] > 0.2


def test_everything_moves_with_the_picture(picture):
    feedback = begun(picture)
    for array in (feedback.residual, feedback.momentum, feedback.novelty):
        array[:] = 0
        array[55:65, 75:85] = 50
    feedback.follow(np.roll(picture, (0, 6), (0, 1)), STILL, TICK_S)
    for array in (feedback.residual, feedback.momentum, feedback.novelty):
        mark = array.reshape(120, 160, -1).sum(2)[40:80, 60:110]
        assert abs(np.average(np.arange(60, 110), weights=mark.sum(0)) - (79.5 + 6)) < 1


def test_where_something_new_appears_the_dream_is_new_again(picture):
    feedback = begun(picture)
    for _ in range(60):
        feedback.follow(picture, STILL, TICK_S)
    feedback.residual[:] = 40
    new = picture.copy()
    new[:60, :60] = 255 - new[:60, :60] // 2
    feedback.follow(new, STILL, TICK_S)
    assert feedback.residual[10:50, 10:50].mean() < 10
    assert feedback.novelty[10:50, 10:50].mean() > 0.5
    assert feedback.residual[90:, 100:].min() > 18
    assert feedback.novelty[90:, 100:].max() < 0.05


def test_where_the_image_moves_the_dream_stays_new(picture):
    still = np.zeros((80, 160, 2), np.float32)
    still[:, 100:] = 3
    speed = motion(still, 0.1)
    assert speed[:, :80].max() == 0
    assert speed[:, 120:].min() == 1
    np.testing.assert_allclose(motion(still / 2, 0.1), motion(still / 4, 0.05))
    feedback = begun(picture)
    for n in range(1, 60):
        feedback.follow(np.roll(picture, 2 * n, 1), STILL, TICK_S)
    assert 0.2 < np.median(feedback.novelty) < 0.5


def test_another_scene_drops_the_whole_dream(picture):
    feedback = begun(picture)
    feedback.residual[:] = 40
    feedback.follow(255 - cv2.flip(picture, -1), STILL, TICK_S)
    assert feedback.residual.mean() < 2


def test_slow_colour_washes_are_taken_off_and_detail_stays(picture):
    feedback = begun(np.full((120, 160, 3), 128, np.uint8))
    detail = np.random.default_rng(0).normal(0, 8, (120, 160, 3)).astype(np.float32)
    residual = detail + np.float32([30, 0, -20])
    for _ in range(100):
        residual = feedback.settle(residual, feedback.momentum, STILL, TICK_S).copy()
    assert np.abs(residual.mean((0, 1))).max() < 1
    assert residual.std() > 0.9 * detail.std()


def test_washes_are_what_is_slow(picture):
    flat = np.full((90, 160, 3), 7, np.float32)
    np.testing.assert_allclose(washes(flat), flat)


@pytest.mark.parametrize(
    ("change", "point", "came_from"),
    [
        ({"zoom": 10.0}, (100, 0), (100 / 1.1, 0)),  # it grows: everything came from nearer the centre
        ({"spin": 90.0}, (30, 0), (0, -30)),  # clockwise: what is right was above
        ({"pan_x": 10.0}, (0, 0), (-32.1, 0)),
        ({"pan_y": -10.0}, (0, 0), (0, 32.1)),
    ],
)
def test_zoom_spin_and_pan_after_a_second(change, point, came_from):
    field = displacement((181, 321), Settings(**change), 1.0)
    x, y = point
    found = field[90 + y, 160 + x] + (x, y)
    np.testing.assert_allclose(found, came_from, atol=0.1)


def test_at_rest_nothing_is_displaced():
    assert displacement((90, 160), Settings(), 1.0) is None
    assert displacement((90, 160), Settings(zoom=5), 0.0) is None


def test_a_zooming_dream_grows(picture):
    feedback = begun(picture)
    feedback.residual[:] = 0
    cv2.circle(feedback.residual, (80, 60), 20, (50, 50, 50), -1)
    settings = Settings(zoom=20.0, persistence_s=23)
    for _ in range(10):
        feedback.follow(picture, settings, 0.1)
    grown = (feedback.residual[..., 0] > 25).sum() / (np.pi * 20**2)
    assert grown == pytest.approx(1.2**2, rel=0.1)


def test_full_feedback_keeps_the_dreamt_image_when_the_camera_sees_another(picture):
    """The dreamt image (frame and residual) goes on from itself, whatever the camera shows."""
    settings = Settings(feedback=1.0, persistence_s=23)
    feedback = begun(picture)
    other = 255 - cv2.flip(picture, -1)
    feedback.follow(other, settings, TICK_S)
    now = other + feedback.residual
    assert np.abs(now - picture).mean() < 0.1 * np.abs(other.astype(float) - picture).mean()


def test_a_wall_that_a_moving_body_uncovers_gets_no_streaks():
    """The flow is a ramp there and would stretch the dream along the motion, tick after tick."""
    rng = np.random.default_rng(5)
    wall = np.full((240, 320, 3), 150, np.uint8)
    noise = cv2.GaussianBlur(rng.normal(size=(120, 80)), (0, 0), 2)[..., None]
    body = np.clip(90 + 240 * noise, 0, 140)

    def seen(n: int) -> Image:
        image = wall.copy()
        image[60:180, 60 + 4 * n : 140 + 4 * n] = body
        return image

    feedback = begun(seen(0))
    dream = cv2.GaussianBlur(rng.normal(0, 100, (240, 320, 3)), (0, 0), 1.5).astype(np.float32)
    feedback.residual[:] = dream
    for n in range(1, 16):
        feedback.follow(seen(n), STILL.replace(persistence_s=60), TICK_S)
    uncovered = feedback.residual[80:160, 70:110]
    body_now = feedback.residual[80:160, 130:190]

    def roughness(array: Array, axis: int) -> float:
        return float((np.diff(array, axis=axis) ** 2).mean())

    streaks = roughness(uncovered, 0) - roughness(uncovered, 1)
    assert streaks < 0.1 * roughness(dream, 0)
    assert roughness(body_now, 0) > 0.3 * roughness(dream, 0)


def test_plain_places_are_known_on_every_new_frame():
    rng = np.random.default_rng(0)
    frame = np.full((64, 96, 3), 90, np.uint8)
    frame[:, 48:] = rng.integers(0, 256, (64, 48, 3))
    feedback = Feedback()
    for image in (frame, np.ascontiguousarray(frame[:, ::-1])):
        feedback.follow(image, Settings(), TICK_S)
        halves = feedback.plain[:, :32].mean(), feedback.plain[:, 64:].mean()
        assert max(halves) > 0.8
        assert min(halves) < 0.3
        assert (halves[0] > halves[1]) == (image is frame)


def test_a_dream_from_elsewhere_is_moved_from_the_frame_that_it_was_dreamt_on(picture):
    residual = np.zeros((120, 160, 3), np.float32)
    residual[55:65, 75:85] = 50
    feedback = Feedback(residual, picture)
    feedback.follow(np.roll(picture, (0, 6), (0, 1)), Settings(persistence_s=2.0), TICK_S)
    mark = feedback.residual.sum(2)[40:80, 60:110]
    assert abs(np.average(np.arange(60, 110), weights=mark.sum(0)) - (79.5 + 6)) < 1
    assert mark.sum() > 0.9 * residual.sum()
    assert feedback.novelty.mean() < 0.5
