"""Where a film is cut: each frame is in exactly one shot, and only cut scenes have a warm-up."""

from __future__ import annotations

from itertools import pairwise

import pytest

from livedream.rendering.cutting import DISSOLVE_S, LEAST_S, WARM_UP_S, WATCHED_S, cut

FPS = 10


def shots_of(seconds: list[float], longest_s: float = 60.0, watches: bool = False):
    """The shots of a film of scenes that last so long."""
    starts = [0]
    for length in seconds:
        starts.append(starts[-1] + round(length * FPS))
    times = [n / FPS for n in range(starts[-1])]
    return cut(times, starts[:-1], longest_s, watches=watches)


def spans(shots) -> list[tuple[float, float]]:
    return [(shot.first / FPS, shot.end / FPS) for shot in shots]


def test_each_scene_is_a_shot_that_needs_nothing_from_before():
    shots = shots_of([10, 20, 30])
    assert spans(shots) == [(0, 10), (10, 30), (30, 60)]
    assert all(shot.watched == shot.dreamt == shot.first for shot in shots)
    assert not any(shot.head or shot.tail for shot in shots)


def test_short_scenes_are_dreamt_together():
    assert spans(shots_of([3, 4, 2, 20, 5])) == [(0, 9), (9, 29), (29, 34)]
    assert LEAST_S > 7


def test_a_long_scene_is_cut_evenly_and_its_parts_warm_up_and_dissolve():
    first, second, third = shots_of([30, 150], longest_s=80)
    assert spans([first, second, third]) == [(0, 30), (30, 105), (105, 180)]
    assert (first.head, first.tail) == (0, 0)
    assert (second.head, second.tail) == (0, DISSOLVE_S * FPS)
    assert (third.head, third.tail) == (DISSOLVE_S * FPS, 0)
    assert third.dreamt == third.watched == third.first - WARM_UP_S * FPS


def test_a_dream_that_knows_the_room_watches_before_it_warms_up():
    shot = shots_of([450], longest_s=150, watches=True)[2]
    assert shot.dreamt - shot.watched == WATCHED_S * FPS


def test_no_warm_up_reaches_into_another_scene():
    for shot in shots_of([20, 32], longest_s=16, watches=True)[1:]:
        assert shot.watched >= (0 if shot.first <= 20 * FPS else 20 * FPS)


@pytest.mark.parametrize("longest_s", [0.1, 15, 17, 1000, float("inf")])
def test_every_frame_is_in_one_shot(longest_s):
    shots = shots_of([0.1, 70, 4, 4, 33.3, 0.2], longest_s)
    assert [shot.first for shot in shots[1:]] == [shot.end for shot in shots[:-1]]
    assert shots[0].first == 0
    assert shots[-1].end == round((0.1 + 70 + 4 + 4 + 33.3 + 0.2) * FPS)
    for before, after in pairwise(shots):
        assert before.tail == after.head
        assert after.head < after.end - after.first


def test_a_film_of_one_frame_is_one_shot():
    assert spans(cut([0.0], [0], 60, watches=True)) == [(0, 0.1)]
