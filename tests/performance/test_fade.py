"""A fade moves numbers and nothing jumps: what is no number is crossfaded by the dream and the composite."""

from __future__ import annotations

from itertools import pairwise

from livedream.performance.fade import Fade
from livedream.settings import Settings

A = Settings(layer="edges", strength=0.5, steps=1)
B = Settings(layer="parts", strength=2.5, steps=9, mix="dream", crossfade_s=1.0)


def test_numbers_move_smoothly_from_one_end_to_the_other():
    fade = Fade(A, B, 10.0, 4.0)
    seen = [fade.at(10 + n / 25) for n in range(101)]
    strengths = [settings.strength for settings in seen]
    assert (strengths[0], strengths[-1]) == (0.5, 2.5)
    assert strengths == sorted(strengths)
    assert max(b - a for a, b in pairwise(strengths)) < 0.04
    assert [settings.steps for settings in (seen[0], seen[50], seen[-1])] == [1, 5, 9]
    assert seen[-1] == B


def test_what_is_set_for_the_place_meanwhile_is_there_at_once():
    goal = B.replace(blend_left=20.0, gamma=1.5)
    seen = Fade(A, B, 10.0, 4.0).towards(goal).at(11.0)
    assert (seen.blend_left, seen.gamma) == (20.0, 1.5)
    assert 0.5 < seen.strength < 2.5


def test_auto_is_no_number_to_fade_from():
    fade = Fade(Settings(), Settings(working_px=640, strength=2.0), 10.0, 4.0)
    assert [fade.at(now).working_px for now in (10.0, 12.0, 14.0)] == [640, 640, 640]


def test_names_change_at_once_and_a_scenes_own_crossfade_is_its_own():
    first = Fade(A, B, 10.0, 4.0).at(10.0)
    assert (first.layer, first.mix) == ("parts", "dream")
    assert first.crossfade_s == A.crossfade_s  # a number like any other: on its way to the goal's


def test_after_the_fade_the_goal_stays():
    fade = Fade(A, B, 10.0, 4.0)
    assert not fade.over(13.9)
    assert fade.over(14.0)
    assert fade.at(1e9) == B


def test_what_is_set_meanwhile_is_faded_to():
    fade = Fade(A, B, 10.0, 4.0).towards(B.replace(strength=1.0, freeze=True))
    assert fade.at(10.0).freeze
    assert [fade.at(now).strength for now in (10.0, 12.0, 14.0)] == [0.5, 0.75, 1.0]
