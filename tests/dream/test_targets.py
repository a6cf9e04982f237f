"""A crossfade never jumps, wherever it is interrupted."""

from __future__ import annotations

import pytest

from livedream.dream.targets import Crossfade, Mix, Target, blended, merged, shared, target_mix
from livedream.settings import Settings

A, B, C, D, E = (Target("dreamnet", layer) for layer in ("edges", "textures", "patterns", "parts", "objects"))


def distance(one: Mix, other: Mix) -> float:
    return sum(abs(one.get(target, 0) - other.get(target, 0)) for target in one.keys() | other.keys())


def test_the_settings_name_the_targets():
    settings = Settings(network="bvlc_googlenet", layer="3b:0.3,4c:0.7", guide="cat.png")
    assert target_mix(settings, (4,)) == {
        Target("bvlc_googlenet", "inception_3b", (4,), "cat.png"): pytest.approx(0.3),
        Target("bvlc_googlenet", "inception_4c", (4,), "cat.png"): pytest.approx(0.7),
    }


def test_weights_sum_to_one_and_tiny_ones_are_left_out():
    mix = blended({A: 1.0}, {B: 0.5, C: 0.5}, 0.995)
    assert set(mix) == {B, C}
    assert sum(mix.values()) == pytest.approx(1)


def test_the_first_goal_applies_at_once():
    assert Crossfade().step("a", {A: 1.0}, 0.0, 2.0) == {A: 1.0}


def test_a_fade_takes_its_time_and_no_longer():
    fade = Crossfade()
    fade.step("a", {A: 1.0}, 0.0, 1.0)
    assert fade.step("b", {B: 1.0}, 0.1, 1.0) == {A: 1.0}
    halfway = [fade.step("b", {B: 1.0}, 0.1, 1.0) for _ in range(5)][-1]
    assert halfway == {A: pytest.approx(0.5), B: pytest.approx(0.5)}
    assert [fade.step("b", {B: 1.0}, 0.1, 1.0) for _ in range(6)][-1] == {B: 1.0}
    assert not fade.running


def test_without_a_time_it_is_a_cut():
    fade = Crossfade()
    fade.step("a", {A: 1.0}, 0.0, 0.0)
    assert fade.step("b", {B: 1.0}, 0.1, 0.0) == {B: 1.0}


def test_changes_during_a_fade_start_from_what_is_shown():
    fade = Crossfade()
    before = fade.step(0, {A: 1.0}, 0.0, 1.0)
    goals = [B, C, A, D, E, B, A, C]
    largest = 0.0
    for n in range(200):
        goal = goals[n // 7 % len(goals)]
        now = fade.step(n // 7 + 1, {goal: 1.0}, 1 / 30, 1.0)
        largest = max(largest, distance(now, before))
        before = now
        assert len(now) <= 4
    assert largest < 0.25  # a jump would be 2


def test_a_shorter_time_in_the_middle_does_not_jump():
    fade = Crossfade()
    fade.step("a", {A: 1.0}, 0.0, 4.0)
    for _ in range(31):
        before = fade.step("b", {B: 1.0}, 0.1, 4.0)
    assert distance(fade.step("b", {B: 1.0}, 0.01, 2.0), before) < 0.05


def test_a_goal_may_drift_under_the_same_key():
    fade = Crossfade()
    fade.step("journey", {A: 1.0}, 0.0, 1.0)
    assert fade.step("journey", {A: 0.4, B: 0.6}, 0.1, 1.0) == {A: 0.4, B: 0.6}


def worded(layer: str, **shares: float) -> Target:
    return Target("dreamnet", layer, words=shared(shares))


def test_words_at_one_layer_are_one_target():
    mix = merged({worded("parts", castle=1): 0.25, worded("parts", daisy=1): 0.75})
    assert mix == {worded("parts", castle=0.25, daisy=0.75): pytest.approx(1)}


def test_the_whole_layer_and_other_layers_and_channels_stay_apart():
    channel = Target("dreamnet", "parts", (3,))
    mix = {worded("parts", castle=1): 0.4, worded("objects", castle=1): 0.3, channel: 0.2, D: 0.1}
    assert merged(mix) == pytest.approx(mix)


def test_a_change_of_words_is_one_gradient_whose_words_move_smoothly():
    fade = Crossfade()
    before = fade.step(0, {worded("parts", a=1): 1.0}, 0.0, 1.0)
    for n in range(200):
        word = "abcdefgh"[n // 7 % 8]
        now = fade.step(n // 7 + 1, {worded("parts", **{word: 1}): 1.0}, 1 / 30, 1.0)
        (target,) = now
        shares, old = dict(target.words), dict(next(iter(before)).words)
        assert sum(shares.values()) == pytest.approx(1)
        assert sum(abs(shares.get(w, 0) - old.get(w, 0)) for w in shares | old) < 0.15  # a jump would be 2
        before = now
