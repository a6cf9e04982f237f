"""The dream is composited over the current frame at full resolution, warped to where things are now."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livedream.settings import SPECS, Settings
from livedream.stage.composite import Composer, freshness, picture_size
from livedream.stage.painting import lay_over
from livedream.vision.presence import PresenceDetector

PLAIN = Settings(mirror=False)


@pytest.mark.parametrize(
    ("visible", "output", "size"),
    [
        ((640, 360), (1280, 720), (1280, 720)),
        ((640, 480), (1280, 720), (960, 720)),
        ((480, 640), (300, 300), (224, 300)),
    ],
)
def test_the_picture_keeps_its_aspect_and_is_as_large_as_fits(visible, output, size):
    assert picture_size(visible, output) == size


def test_without_a_dream_the_picture_is_the_camera(picture):
    np.testing.assert_array_equal(lay_over(picture, None, (160, 120)), picture)


def test_the_dream_is_added_in_levels_and_clipped_to_range():
    grey = np.full((90, 160, 3), 100, np.uint8)
    residual = np.zeros((18, 32, 3), np.float32)
    residual[..., 0], residual[..., 1] = 30, -300
    picture = lay_over(grey, residual, (320, 180))
    assert picture.shape == (180, 320, 3)
    assert picture[90, 160].tolist() == pytest.approx([130, 0, 100], abs=1)


def test_a_dream_is_upscaled_to_within_a_level(picture):
    residual = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 2) - 128
    laid = lay_over(np.full((480, 640, 3), 128, np.uint8), residual, (640, 480)).astype(np.float32)
    small = cv2.resize(laid, (160, 120), interpolation=cv2.INTER_AREA) - 128
    assert np.abs(small - residual).mean() < 1.5
    # Light sharpening without halos: nothing overshoots by much.
    assert small.max() < residual.max() + 12
    assert small.min() > residual.min() - 12


def test_keep_is_the_weight_of_the_camera(picture):
    layer = np.full((60, 80, 3), 40, np.float32)
    half = lay_over(picture, layer, (160, 120), np.full((60, 80), 0.5, np.float32))
    np.testing.assert_allclose(half.astype(int), picture // 2 + 40, atol=2)
    nothing = lay_over(picture, layer, (160, 120), np.zeros((60, 80), np.float32))
    assert np.all(nothing == 40)


def test_what_is_darker_than_black_is_black(picture):
    layer = np.full((60, 80, 3), -40, np.float32)
    layer[20:40, 30:50] = 200
    nothing = np.zeros((60, 80), np.float32)
    shown = lay_over(picture, layer, (160, 120), nothing)
    assert shown[:20].max() == 0
    assert shown[60, 80].min() >= 198


def test_what_was_painted_stays_as_it_is(picture):
    """The painter uses its memory again, but none that somebody still holds."""
    composer = Composer()
    residual = np.full((60, 80, 3), 20, np.float32)
    pictures, copies = [], []
    for n in range(6):
        composer.see(np.roll(picture, n, 1), n, None, n / 30)
        pictures.append(composer.compose(residual, n, (160, 120), PLAIN)[10:])  # a view keeps it, too
        copies.append(pictures[-1].copy())
    for kept, copy in zip(pictures, copies, strict=True):
        np.testing.assert_array_equal(kept, copy)


def test_while_only_the_dream_is_new_the_camera_is_not_enlarged_again(picture, monkeypatch):
    composer = Composer()
    composer.see(picture, 0, None, 0.0)
    composer.compose(np.full((60, 80, 3), 20, np.float32), 0, (320, 240), PLAIN)
    enlarged = []
    resize = cv2.resize
    monkeypatch.setattr(
        cv2, "resize", lambda image, *rest, **how: enlarged.append(image) or resize(image, *rest, **how)
    )
    shown = composer.compose(np.full((60, 80, 3), 40, np.float32), 0, (320, 240), PLAIN)
    assert enlarged
    assert not any(np.array_equal(image, picture) for image in enlarged)
    fresh = Composer()
    fresh.see(picture, 0, None, 0.0)
    residual = np.full((60, 80, 3), 40, np.float32)
    np.testing.assert_array_equal(shown, fresh.compose(residual, 0, (320, 240), PLAIN))


def test_a_large_working_size_is_warped_along_the_motion_of_a_small_one():
    noise = cv2.GaussianBlur(np.random.default_rng(7).normal(size=(720, 960, 3)), (0, 0), 8)
    large = np.clip(128 + noise * 800, 0, 255).astype(np.uint8)
    composer = Composer()
    mark = np.zeros((480, 640, 3), np.float32)
    mark[200:280, 280:360] = 100
    composer.see(large, 0, None, 0.0)
    composer.compose(mark, 0, (960, 720), PLAIN)
    moved = np.roll(large, (0, 24), (0, 1))
    composer.see(moved, 1, None, 0.1)
    shown = composer.compose(mark, 0, (960, 720), PLAIN).astype(int) - moved
    centre = np.average(np.arange(960), weights=np.abs(shown).sum((0, 2)))
    assert abs(centre - (479.5 + 24)) < 4
    assert max(composer.grey.shape) == 320


def test_before_any_frame_there_is_no_picture():
    assert Composer().compose(None, 0, (100, 100), PLAIN) is None


def test_the_mirror_setting_swaps_left_and_right(picture):
    composer = Composer()
    composer.see(picture, 0, None, 0.0)
    mirrored = composer.compose(None, 0, (160, 120), Settings())
    np.testing.assert_array_equal(mirrored, picture[:, ::-1])


def test_only_the_visible_crop_is_shown(picture):
    composer = Composer()
    composer.see(picture, 0, 2.0, 0.0)
    shown = composer.compose(None, 0, (160, 80), PLAIN)
    np.testing.assert_array_equal(shown, picture[20:100])


def test_at_strength_0_the_picture_is_the_camera_in_every_mix(picture):
    composer = Composer()
    composer.see(picture, 0, None, 0.0)
    residual = np.full((120, 160, 3), 50, np.float32)
    for mix in SPECS["mix"].choices:
        shown = composer.compose(residual, 0, (160, 120), PLAIN.replace(mix=mix, strength=0.0))
        np.testing.assert_array_equal(shown, picture)


def test_a_picture_that_fits_keeps_its_odd_size(picture):
    composer = Composer()
    composer.see(picture[:119, :157], 0, None, 0.0)
    assert composer.compose(None, 0, (157, 119), PLAIN).shape == (119, 157, 3)


@pytest.mark.parametrize(
    "known", [True, False], ids=["its own frame", "a neighbour, because its own was not shown"]
)
def test_an_old_dream_follows_the_motion_since_its_frame(picture, known):
    composer = Composer()
    mark = np.zeros((120, 160, 3), np.float32)
    mark[50:70, 70:90] = 100
    composer.see(picture, 3 if known else 2, None, 0.0)
    composer.compose(mark, 3, (160, 120), PLAIN)
    moved = np.roll(picture, (0, 8), (0, 1))
    composer.see(moved, 5, None, 0.1)
    shown = composer.compose(mark, 3, (160, 120), PLAIN).astype(int) - moved
    centre = np.average(np.arange(160), weights=np.abs(shown).sum((0, 2)))
    assert abs(centre - (79.5 + 8)) < 1.5


def test_a_dream_with_full_feedback_does_not_follow_the_motion(picture):
    composer, feedback = Composer(), PLAIN.replace(feedback=1.0, mix="dream")
    residual = 128.0 - picture.astype(np.float32)  # the dream is plain grey, whatever the camera sees
    composer.see(picture, 3, None, 0.0)
    composer.compose(residual, 3, (160, 120), feedback)
    composer.see(np.roll(picture, (0, 30), (0, 1)), 4, None, 0.1)
    shown = composer.compose(residual, 3, (160, 120), feedback)
    assert np.abs(shown.astype(int) - 128).max() <= 2


def test_the_working_size_may_change_at_any_time(picture):
    composer = Composer()
    composer.see(picture, 0, None, 0.0)
    for n, shape in enumerate([(60, 80, 3), (120, 160, 3), (90, 160, 3)]):
        composer.see(picture, n + 1, None, n / 30)
        shown = composer.compose(np.full(shape, 10, np.float32), n, (160, 120), PLAIN)
        assert shown.shape == picture.shape


def test_a_residual_that_is_not_renewed_fades_away():
    assert [freshness(age) for age in (0.0, 2.0, 3.0, 4.0, 100.0)] == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_a_residual_of_another_crop_is_not_shown(picture):
    composer = Composer()
    composer.see(picture, 0, 2.0, 0.0)
    residual = np.full((80, 160, 3), 50, np.float32)

    def shown(residual_aspect):
        return composer.compose(residual, 0, (160, 80), PLAIN, residual_aspect=residual_aspect)

    for other in (None, 1.5):
        np.testing.assert_array_equal(shown(other), picture[20:100])
    assert np.mean(shown(2.0)) > picture[20:100].mean() + 20


def test_a_change_of_crop_does_not_warp_the_dream_along_the_old_crop(picture):
    composer = Composer()
    composer.see(picture, 0, None, 0.0)
    composer.see(picture, 1, 1.0, 0.1)
    mark = np.zeros((120, 120, 3), np.float32)
    mark[50:70, 50:70] = 100
    shown = composer.compose(mark, 0, (120, 120), PLAIN, residual_aspect=1.0)
    difference = shown.astype(int) - picture[:, 20:140]
    assert np.average(np.arange(120), weights=np.abs(difference).sum((0, 2))) == pytest.approx(59.5, abs=0.5)


def test_grey_is_the_visible_crop_of_the_current_frame_at_working_size(picture):
    composer = Composer()
    assert composer.grey is None
    composer.see(picture, 0, 2.0, 0.0)
    assert composer.grey.shape == (160, 320)
    assert composer.grey.dtype == np.uint8
    expected = cv2.cvtColor(picture[20:100], cv2.COLOR_RGB2GRAY)
    np.testing.assert_allclose(composer.grey[::2, ::2].mean(), expected.mean(), atol=2)
    composer.see(255 - picture, 1, 2.0, 0.1)
    np.testing.assert_allclose(composer.grey.mean(), 255 - expected.mean(), atol=2)


def test_the_mask_comes_from_the_presence_detector(picture):
    composer, presence = Composer(), PresenceDetector()
    composer.see(picture, 0, None, 0.0)
    presence.outline, presence.moving = np.zeros((120, 160), np.float32), np.zeros((120, 160), np.float32)
    residual = np.full((120, 160, 3), 50, np.float32)
    settings = PLAIN.replace(mask="visitor")
    shown = composer.compose(residual, 0, (160, 120), settings, presence=presence)
    np.testing.assert_array_equal(shown, picture)
    everywhere = Composer()
    everywhere.see(picture, 0, None, 0.0)
    assert everywhere.compose(residual, 0, (160, 120), settings).mean() > picture.mean() + 20
