"""Too little memory makes the dream smaller for a while, one size at a time."""

from __future__ import annotations

from livedream.dream.ceiling import Ceiling
from livedream.settings import Settings


def test_one_size_down_and_up_again_after_a_minute():
    ceiling = Ceiling()
    assert ceiling.lower(640, 100.0)
    assert ceiling.px == 512
    assert ceiling.lower(512, 101.0)
    assert ceiling.px == 448
    assert not ceiling.step(160.0)
    assert ceiling.step(161.0)
    assert ceiling.px == 512
    assert ceiling.step(221.0)
    assert ceiling.px == 640


def test_nothing_is_smaller_than_the_smallest():
    ceiling = Ceiling()
    assert not ceiling.lower(128, 0.0)
    assert ceiling.px is None


def test_the_largest_size_has_no_ceiling_any_more():
    ceiling = Ceiling()
    ceiling.lower(1280, 0.0)
    assert ceiling.lowered
    assert ceiling.step(60.0)
    assert ceiling.step(120.0)
    assert (ceiling.px, ceiling.lowered) == (None, False)


def test_a_size_that_fails_again_is_tried_later_and_later():
    ceiling, now, waits = Ceiling(), 0.0, []
    ceiling.lower(640, now)
    for _ in range(9):
        began = now
        while not ceiling.step(now):
            now += 10.0
        waits.append(now - began)
        ceiling.lower(640, now + 1.0)
        now += 1.0
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert max(waits) == waits[-1] == 3840.0


def test_settings_are_bounded_and_auto_counts_as_the_usual_size():
    ceiling = Ceiling()
    assert ceiling.settings(Settings(working_px=1280)).working_px == 1280
    ceiling.lower(320, 0.0)
    wanted = [Settings(working_px=px) for px in (128, 256, 640, 0)]
    assert [ceiling.settings(settings).working_px for settings in wanted] == [128, 256, 256, 256]


def test_a_limit_is_for_good():
    ceiling = Ceiling(limit_px=128)
    assert ceiling.px == 128
    assert not ceiling.step(1000.0)
    assert not ceiling.lowered
