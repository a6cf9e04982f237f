"""Mix, mask and vignette, and the crossfades between them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from livedream.settings import SPECS, Settings
from livedream.stage.look import Look, Mixture, overlay_of, vignette_mask
from livedream.vision.presence import PresenceDetector

SIZE = (32, 18)
GREY = np.full((18, 32, 3), 100, np.uint8)


def dream(seed: int = 0):
    return np.random.default_rng(seed).normal(0, 20, (18, 32, 3)).astype(np.float32)


@pytest.fixture
def presence():
    """Somebody stands in the left half of the frame, and their upper part moves."""
    presence = PresenceDetector()
    presence.in_front = np.zeros((90, 160), np.float32)
    presence.in_front[:, :80] = 1
    presence.moving, presence.outline = presence.in_front.copy(), presence.in_front.copy()
    presence.moving[45:] = 0
    return presence


def test_over_adds_the_dream_and_keeps_the_camera(presence):
    mixture = Look().now(Settings(), presence, SIZE, 0.0)
    layer, keep = overlay_of(dream(), GREY, mixture, 1.0, 1.0)
    assert keep is None
    np.testing.assert_array_equal(layer, dream())


def test_the_dream_mix_hides_the_full_resolution_camera(presence):
    mixture = Look().now(Settings(mix="dream"), presence, SIZE, 0.0)
    layer, keep = overlay_of(dream(), GREY, mixture, 1.5, 1.0)
    assert np.all(keep == 0)
    np.testing.assert_allclose(layer, 100 + 1.5 * dream(), rtol=1e-5)


def test_luminance_keeps_the_cameras_colours(presence):
    mixture = Look().now(Settings(mix="luminance"), presence, SIZE, 0.0)
    layer, keep = overlay_of(dream(), GREY, mixture, 1.0, 1.0)
    assert keep is None
    assert np.ptp(layer, axis=2).max() < 1e-4
    np.testing.assert_allclose(layer[..., 0], dream() @ [0.299, 0.587, 0.114], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "top_left", "bottom_left", "right"),
    [("everywhere", 1, 1, 1), ("moving", 1, 0, 0), ("visitor", 1, 1, 0), ("background", 0, 0, 1)],
)
def test_the_mask_selects_where_the_dream_is(presence, name, top_left, bottom_left, right):
    mixture = Look().now(Settings(mask=name), presence, SIZE, 0.0)
    layer, _ = overlay_of(np.ones((18, 32, 3), np.float32), GREY, mixture, 1.0, 1.0)
    assert [layer[2, 2, 0], layer[15, 2, 0], layer[2, 29, 0]] == [top_left, bottom_left, right]


def test_before_the_background_is_known_the_dream_is_everywhere():
    assert Look().now(Settings(mask="visitor"), PresenceDetector(), SIZE, 0.0).mask is None


@pytest.mark.parametrize(
    ("amount", "centre", "corner"), [(1, 1, 0), (0.5, 1, 0.5), (-1, 0, 1), (-0.5, 0.5, 1)]
)
def test_a_vignette_fades_out_the_corners_or_the_centre(amount, centre, corner):
    mask = vignette_mask(amount, (33, 19))
    assert mask[9, 16] == pytest.approx(centre)
    assert mask[0, 0] == pytest.approx(corner)
    assert np.abs(np.diff(mask, axis=1)).max() < 0.12  # no edge


@pytest.mark.parametrize("before", SPECS["mix"].choices)
@pytest.mark.parametrize("name", SPECS["mask"].choices)
def test_a_change_of_mix_and_mask_never_jumps(presence, before, name):
    look, shown = Look(), []
    settings = Settings(mix=before, crossfade_s=1.0)
    for n in range(60):
        if n == 10:
            settings = settings.replace(mix="dream" if before != "dream" else "luminance", mask=name)
        if n == 20:  # changed again in the middle of it
            settings = settings.replace(mix="over", mask="everywhere")
        layer, keep = overlay_of(dream(), GREY, look.now(settings, presence, SIZE, n / 30), 1.0, 1.0)
        shown.append(layer + 100 * (1.0 if keep is None else keep[..., None]))
    steps = [np.abs(b - a).max() for a, b in pairwise(shown)]
    whole = np.abs(dream()).max()
    assert max(steps) < 0.1 * whole
    np.testing.assert_allclose(shown[-1], shown[0] if before == "over" else 100 + dream(), atol=1e-3)


def test_strength_a_half_is_halfway_from_the_camera_to_the_dream():
    layer, keep = overlay_of(dream(), GREY, Mixture(0.0, 1.0, None), 0.5, 1.0)
    np.testing.assert_allclose(layer + 100 * keep[..., None], 100 + 0.5 * dream(), rtol=1e-5)


def test_a_change_takes_the_crossfade_or_the_transition_that_is_given():
    def camera_weight_after(seconds: float, transition_s: float | None) -> float:
        look, before = Look(), Settings(crossfade_s=2.0)
        look.now(before, None, SIZE, 0.0)
        look.now(before.replace(mix="dream"), None, SIZE, 0.0, transition_s)
        return look.now(before.replace(mix="dream"), None, SIZE, seconds).camera

    assert camera_weight_after(1.0, None) == pytest.approx(0.5)
    assert camera_weight_after(1.0, 4.0) > 0.8
    assert camera_weight_after(2.0, 4.0) == pytest.approx(0.5)
    assert camera_weight_after(0.1, 0.0) == 0
