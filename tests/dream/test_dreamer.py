"""The dreamer, with the shipped network: it dreams, remembers, follows, fades, and repeats itself exactly."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from livedream.dream.dreamer import Dreamer
from livedream.dream.guides import Guides
from livedream.errors import BackendError, NetworkError, UsageError
from livedream.frame import Image, resize
from livedream.networks.words import word_table
from livedream.settings import Settings

FAST = Settings(working_px=128, layer="textures", jitter=4)


@pytest.fixture(scope="module")
def dreamer() -> Dreamer:
    return Dreamer("dreamnet", device="cpu", backend="pytorch")


@pytest.fixture(autouse=True)
def _fresh(dreamer: Dreamer) -> None:
    dreamer.reset()


def activation(dreamer: Dreamer, image: Image, layer: str, channel: int = -1) -> float:
    features = dreamer.backend.features(image.astype(np.float32) / 255, layer)
    return float(np.square(features if channel < 0 else features[channel]).sum() / 2)


def test_pictures_go_in_and_come_out_in_their_own_size(dreamer, picture):
    dreamt = dreamer(picture, FAST)
    assert dreamt.shape == picture.shape
    assert dreamt.dtype == np.uint8
    assert not np.array_equal(dreamt, picture)


@pytest.mark.parametrize("layer", ["edges", "textures", "patterns", "parts", "objects"])
def test_the_layer_sees_more_of_what_it_sees(dreamer, picture, layer):
    settings = FAST.replace(layer=layer)
    for _ in range(16):
        dreamt = dreamer(picture, settings)
    assert activation(dreamer, dreamt, layer) > 1.2 * activation(dreamer, picture, layer)


def test_one_channel_can_be_raised_alone(dreamer, picture):
    channel = 5
    settings = FAST.replace(channels=str(channel), layer="edges")
    before = activation(dreamer, picture, "edges", channel)
    for _ in range(8):
        dreamt = dreamer(picture, settings)
    whole = activation(dreamer, dreamt, "edges") / activation(dreamer, picture, "edges")
    assert activation(dreamer, dreamt, "edges", channel) > 2 * max(before, 1e-3)
    assert activation(dreamer, dreamt, "edges", channel) / max(before, 1e-3) > whole


def test_the_dream_grows_over_the_frames_and_settles(dreamer, picture):
    sizes = [float(np.abs(dreamer.tick(picture, FAST)).mean()) for _ in range(120)]
    assert sizes[10] > 2 * sizes[0]
    assert abs(sizes[-1] - sizes[-20]) < 0.1 * sizes[-1]


def forms(residual) -> float:
    """How strong a dream's large forms are."""
    height, width = residual.shape[:2]
    return float(np.abs(cv2.resize(residual, (width // 8, height // 8), interpolation=cv2.INTER_AREA)).mean())


def test_without_steps_the_dream_fades_by_its_half_life_and_its_detail_sooner(dreamer, picture):
    for _ in range(5):
        before = dreamer.tick(picture, FAST).copy()
    settings = FAST.replace(steps=0, persistence_s=0.02)
    after = dreamer.tick(picture, settings, time_s=4 / 30 + 0.02)
    assert forms(after) == pytest.approx(forms(before) / 2, rel=0.05)
    fine = [residual - cv2.blur(residual, (3, 3)) for residual in (before, after)]
    assert np.abs(fine[1]).mean() < 0.35 * np.abs(fine[0]).mean()


def test_a_limit_of_persistence_lets_go_of_a_dream_sooner(dreamer, picture):
    left = []
    for limit_s in (None, 9.0, 0.02):
        dreamer.reset()
        settings = FAST.replace(persistence_s=1.5)
        for _ in range(5):
            before = forms(dreamer.tick(picture, settings))
        faded = settings.replace(steps=0)
        after = dreamer.tick(picture, faded, time_s=4 / 30 + 0.04, persistence_limit_s=limit_s)
        left.append(forms(after) / before)
    assert left[0] == pytest.approx(left[1], rel=0.02)
    assert left[0] > 0.9
    assert left[2] == pytest.approx(0.25, rel=0.1)


def test_the_residual_stays_within_its_limit(dreamer, picture):
    settings = FAST.replace(residual_limit=20.0, step_size=20.0)
    for _ in range(10):
        residual = dreamer.tick(picture, settings)
    assert np.abs(residual).max() <= 20


def test_the_dream_follows_what_moves(dreamer, picture):
    wide = np.tile(picture, (1, 2, 1))
    settings = FAST.replace(working_px=160, persistence_s=60.0)
    for _ in range(5):
        before = dreamer.tick(wide[:, 40:200], settings).copy()
    moved = dreamer.tick(wide[:, 34:194], settings.replace(steps=0))
    by_shift = [np.abs(moved[:, 20:140] - before[:, 20 - n : 140 - n]).mean() for n in range(12)]
    assert np.argmin(by_shift) == 6
    assert by_shift[6] < 0.3 * np.abs(before).mean()


def test_another_working_size_keeps_the_dream(dreamer, picture):
    for _ in range(10):
        before = dreamer.tick(picture, FAST)
    after = dreamer.tick(picture, FAST.replace(working_px=96))
    assert after.shape == (72, 96, 3)
    assert np.abs(after).mean() > 0.5 * np.abs(before).mean()


def test_only_what_is_visible_is_dreamt(dreamer, picture):
    assert dreamer.tick(picture, FAST, aspect=2.0).shape == (64, 128, 3)


def test_a_set_of_channels_is_raised(dreamer, picture):
    dreamer.tick(picture, FAST.replace(channels="3, 8"))
    assert [target.channels for target in dreamer.shown] == [(3, 8)]


def test_the_most_active_channels_of_the_image_are_found(dreamer, picture):
    features = dreamer.backend.features(resize(picture, 128, 96).astype(np.float32) / 255, "textures")
    best = np.argsort(-np.square(features).sum(1)).tolist()
    found = []
    for rank in (1, 2, 3):
        dreamer.tick(picture, FAST.replace(channels=f"top {rank}", crossfade_s=0.0))
        ((target, _),) = dreamer.shown.items()
        found += target.channels
    assert found == best[:3]


def test_a_guide_draws_the_dream_to_what_it_shows(dreamer, picture, tmp_path):
    path = tmp_path / "guide.png"
    rng = np.random.default_rng(1)
    cv2.imwrite(str(path), rng.integers(0, 255, (96, 96, 3), np.uint8))
    settings = FAST.replace(guide=str(path))
    guide = Guides().guide(str(path), "dreamnet", "textures", dreamer.backend)

    def match(image: Image) -> float:
        features = dreamer.backend.features(image.astype(np.float32) / 255, "textures")
        return float((features.T @ guide.features).max(1).sum())

    for _ in range(8):
        dreamt = dreamer(picture, settings)
    assert match(dreamt) > 1.2 * match(picture)


def test_several_layers_are_dreamt_by_their_weights(dreamer, picture):
    dreamer.tick(picture, FAST.replace(layer="edges:1,textures:3"))
    assert {target.layer: weight for target, weight in dreamer.shown.items()} == {
        "edges": 0.25,
        "textures": 0.75,
    }
    one_step = FAST.replace(steps=1, octaves=1, jitter=0, momentum_s=0.0, gradient_shaping="none")
    edges, textures, both = (
        dreamer_reset(dreamer).tick(picture, one_step.replace(layer=layer))
        for layer in ("edges", "textures", "edges:1,textures:3")
    )
    difference = np.abs(both - (0.25 * edges + 0.75 * textures))
    assert np.median(difference) < 0.01 * np.abs(both).mean()


def test_a_switch_does_not_jump(dreamer, picture):
    """Layers and channels change, also during a fade: two images never differ twice as much as usual."""
    settings = FAST.replace(crossfade_s=0.5)
    pictures = [dreamer(picture, settings) for _ in range(60)]
    usual = changes(pictures[30:]).max()
    switches = [
        {"layer": "edges"},
        {"layer": "patterns"},
        {"channels": "7"},
        {"channels": "", "layer": "edges"},
    ]
    for change in switches:
        settings = settings.replace(**change)
        pictures += [dreamer(picture, settings) for _ in range(5)]
    pictures += [dreamer(picture, settings) for _ in range(30)]
    assert changes(pictures[59:]).max() < 2 * usual


def changes(pictures: list[Image]) -> np.ndarray:
    return np.array([np.abs(a.astype(float) - b).mean() for a, b in pairwise(pictures)])


def test_a_journey_walks_and_stays_where_it_is_when_it_ends(dreamer, picture):
    settings = FAST.replace(
        layer="edges", steps=0, journey=True, journey_hold_s=0.2, journey_fade_s=0.1, crossfade_s=0
    )
    seen = []
    for n in range(100):
        dreamer.tick(picture, settings, time_s=n / 30)
        seen.append(dreamer.shown_words["layer"])
    assert list(dict.fromkeys(seen)) == ["edges", "textures", "patterns", "parts", "objects"]
    assert seen.index("textures") == pytest.approx(8, abs=1)  # halfway through the first fade


def test_the_dream_attacks_where_it_is_new_and_settles(dreamer, picture):
    gentle, fast = FAST.replace(attack=1.0), FAST.replace(attack=4.0)
    first = {s.attack: np.abs(dreamer_reset(dreamer).tick(picture, s)).mean() for s in (gentle, fast)}
    assert first[4.0] > 3 * first[1.0]
    pictures = [dreamer(picture, fast) for _ in range(60)]
    assert changes(pictures)[40:].mean() < changes(pictures)[:5].mean() / 2


def test_a_step_goes_as_far_as_its_octave_is_large(dreamer, picture):
    settings = FAST.replace(steps=1, attack=1.0, momentum_s=0.0, persistence_s=60.0)
    settings = settings.replace(octaves=2, octave_scale=1.5)
    first = dreamer.tick(picture, settings).copy()
    second = dreamer.tick(picture, settings) - first
    assert np.abs(first).mean() == pytest.approx(1.5 * np.abs(second).mean(), rel=0.2)


def dreamer_reset(dreamer: Dreamer) -> Dreamer:
    dreamer.reset()
    return dreamer


def test_momentum_reduces_flicker_and_keeps_the_dream(dreamer, picture):
    found = {}
    for momentum_s in (0.0, 0.3):
        dreamer.reset()
        pictures = [dreamer(picture, FAST.replace(momentum_s=momentum_s)) for _ in range(60)]
        found[momentum_s] = changes(pictures[40:]).mean(), activation(dreamer, pictures[-1], "textures")
    assert found[0.3][0] < 0.7 * found[0.0][0]
    assert found[0.3][1] > 0.9 * found[0.0][1]


def test_a_change_of_layer_is_a_crossfade(dreamer, picture):
    seen = []
    gradient = dreamer.backend.gradient

    def spy(image, layer, objective):
        seen.append(layer)
        return gradient(image, layer, objective)

    dreamer.backend.gradient = spy
    try:
        settings = FAST.replace(steps=1, octaves=1, crossfade_s=1.0)
        dreamer.tick(picture, settings, time_s=0.0)
        other = settings.replace(layer="edges")
        for n in range(1, 14):
            dreamer.tick(picture, other, time_s=n / 10)
    finally:
        del dreamer.backend.gradient
    assert seen[0] == "textures"
    assert seen[1:6] == ["textures", *["textures", "edges"] * 2]
    assert seen[-3:] == ["edges"] * 3


def test_a_crossfade_weighs_by_time(dreamer, picture):
    dreamer.tick(picture, FAST, time_s=0.0)
    weights = []
    for time_s in (1.0, 1.5, 2.0, 2.5, 3.0):
        dreamer.tick(picture, FAST.replace(layer="edges", crossfade_s=2.0), time_s=time_s)
        weights.append({target.layer: weight for target, weight in dreamer.shown.items()}.get("edges", 0))
    assert weights == pytest.approx([0, 5 / 32, 1 / 2, 27 / 32, 1])


def test_a_transition_takes_its_own_time_and_the_next_change_the_settings_again(dreamer, picture):
    other = FAST.replace(layer="edges", crossfade_s=0.0)
    dreamer.tick(picture, FAST, time_s=0.0)
    dreamer.tick(picture, other, time_s=0.1, transition_s=1.0)
    dreamer.tick(picture, other, time_s=0.6)
    assert {target.layer for target in dreamer.shown} == {"edges", "textures"}
    dreamer.tick(picture, other, time_s=1.1)
    dreamer.tick(picture, other.replace(layer="parts"), time_s=1.2)
    assert {target.layer for target in dreamer.shown} == {"parts"}


def test_the_same_seed_dreams_the_same_dream(picture):
    first, second = (Dreamer("dreamnet", device="cpu", backend="pytorch", seed=4) for _ in range(2))
    for _ in range(3):
        np.testing.assert_array_equal(first.tick(picture, FAST), second.tick(picture, FAST))


def test_the_classic_dream_is_a_picture_of_the_same_size(dreamer, picture):
    steps = []
    dreamt = dreamer.classic(picture, FAST, progress=lambda: steps.append(1))
    assert dreamt.shape == picture.shape
    assert len(steps) == 40
    assert activation(dreamer, dreamt, "textures") > 1.2 * activation(dreamer, picture, "textures")


def test_the_classic_dream_is_of_the_layer_that_was_asked_for_last(dreamer, picture):
    for layer in ("textures", "edges"):
        dreamer.classic(picture, FAST.replace(layer=layer))
        assert dreamer.shown_words["layer"] == layer


def test_an_unknown_layer_names_those_there_are(dreamer, picture):
    with pytest.raises(UsageError, match=r"unknown layer 'inception9'; dreamnet has: edges, textures"):
        dreamer(picture, FAST.replace(layer="inception9"))


def test_unknown_networks_and_missing_weights_and_devices_are_refused(tmp_path):
    with pytest.raises(UsageError, match="unknown network 'mirrornet'; possible: dreamnet"):
        Dreamer("mirrornet")
    with pytest.raises(NetworkError, match="no such file"):
        Dreamer("bvlc_googlenet", weights=tmp_path / "none.npz")
    with pytest.raises(BackendError, match="device 'tpu' is not on this machine; possible: auto"):
        Dreamer("dreamnet", device="tpu")


@pytest.mark.shared
def test_the_original_network_dreams_on_a_real_face(shared, bvlc_weights):
    import cv2

    capture = cv2.VideoCapture(str(shared / "video" / "webcam_face.mp4"))
    dreamer = Dreamer("bvlc_googlenet", weights=bvlc_weights, device="cpu", backend="pytorch")
    settings = Settings(network="bvlc_googlenet", layer="inception_3b", working_px=192)
    for n in range(12):
        frame = np.ascontiguousarray(capture.read()[1][..., ::-1])
        residual = dreamer.tick(frame, settings, time_s=n / 25)
    small = resize(frame, 192, 144)
    dreamt = np.clip(small + residual, 0, 255).astype(np.uint8)
    assert activation(dreamer, dreamt, "inception_3b") > 1.5 * activation(dreamer, small, "inception_3b")


def test_words_are_dreamt_at_the_layers_that_have_them(dreamer, picture):
    settings = FAST.replace(layer="objects", dream_of="castle, birds")
    dreamer.tick(picture, settings, time_s=0.0)
    assert [(target.layer, target.words) for target in dreamer.shown] == [
        ("objects", (("birds", 0.5), ("castle", 0.5)))
    ]
    seen = set()
    travelling = settings.replace(journey=True, journey_hold_s=0.2, journey_fade_s=0.1, steps=0)
    for n in range(1, 60):
        dreamer.tick(picture, travelling, time_s=n / 15)
        seen |= {target.layer for target in dreamer.shown}
    assert seen == {"patterns", "parts", "objects"}


def test_a_word_raises_its_channels(dreamer, picture):
    """Against a dream of the whole layer, which raises them, too."""
    raised = {}
    for words in ("", "castle"):
        settings = FAST.replace(layer="objects", dream_of=words)
        dreamer_reset(dreamer)
        for _ in range(12):
            dreamt = dreamer(picture, settings)
        features = dreamer.backend.features(dreamt.astype(np.float32) / 255, "objects")
        weights = word_table("dreamnet").emphasis("objects", (("castle", 1.0),))
        raised[words] = float(features.mean(1) @ weights) / float(features.mean())
    assert raised["castle"] > raised[""] + 100


def test_other_words_are_faded_to_by_one_gradient_and_no_jump(dreamer, picture):
    seen = []
    gradient = dreamer.backend.gradient

    def spy(image, layer, objective):
        seen.append(objective.words)
        return gradient(image, layer, objective)

    settings = FAST.replace(layer="objects", crossfade_s=0.5, steps=1, dream_of="sea")
    pictures = [dreamer(picture, settings) for _ in range(60)]
    usual = changes(pictures[30:]).max()
    dreamer.backend.gradient = spy
    try:
        for words in ("castle", "birds, daisy", "castle", "insects"):
            settings = settings.replace(dream_of=words)
            pictures += [dreamer(picture, settings) for _ in range(5)]
        pictures += [dreamer(picture, settings) for _ in range(30)]
    finally:
        del dreamer.backend.gradient
    assert len(seen) <= 50  # one a tick, as for one layer
    assert changes(pictures[59:]).max() < 2 * usual


def test_the_dreamer_tells_what_it_recognises_and_dreams_it(dreamer, picture):
    settings = FAST.replace(layer="objects", surprise=True, crossfade_s=0.0)
    dreamer.tick(picture, settings, time_s=0.0)
    found = dreamer.recognised
    assert len(found) == 3
    assert 0 < found[0][1] <= 1
    assert {word for word, _ in dreamer.dreamt_words} == {word for word, _ in found[:2]}
    plain = settings.replace(surprise=False)
    dreamer.tick(picture, plain, time_s=0.1)
    assert dreamer.dreamt_words == ()


def test_another_dreamer_carries_a_dream_on_where_it_was(dreamer, picture):
    frames = [np.roll(picture, shift, 1) for shift in range(42)]
    for frame in frames[:36]:
        last = dreamer.tick(frame, FAST)
    expected = [dreamer.tick(frame, FAST) for frame in frames[37:]]
    dreamer.seed(frames[35], last)
    found = [dreamer.tick(frame, FAST) for frame in frames[37:]]
    assert np.corrcoef(found[0].ravel(), expected[0].ravel())[0, 1] > 0.9
    for now, then in zip(found, expected, strict=True):
        assert now.std() == pytest.approx(then.std(), rel=0.2)
    dreamer.reset()
    assert dreamer.tick(frames[37], FAST).std() < 0.5 * found[0].std()


def test_a_dream_from_elsewhere_may_have_another_size(dreamer, picture):
    for _ in range(12):
        last = dreamer.tick(picture, FAST)
    dreamer.seed(resize(picture, 96, 72), resize(last, 96, 72))
    found = dreamer.tick(picture, FAST)
    assert found.shape == last.shape
    assert found.std() > 0.7 * last.std()
    assert np.corrcoef(found.ravel(), last.ravel())[0, 1] > 0.8
