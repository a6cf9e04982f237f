"""The dream is the visitor's first: on a body, in the room, where a body was; and alike without a visitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from livedream.dream.visitors import Visitors
from livedream.frame import Image
from livedream.settings import Settings

TICK_S = 1 / 15
FOCUS = Settings(visitor_focus=1.0)
KEEP = np.full((90, 160), 0.5, np.float32)
#: A place on the body where they stand, and one where they never were.
BODY, ROOM = (slice(40, 80), slice(72, 88)), (slice(20, 80), slice(125, 155))


def grey_room() -> Image:
    rng = np.random.default_rng(3)
    room = 150 + 200 * cv2.GaussianBlur(rng.normal(size=(90, 160)).astype(np.float32), (0, 0), 3)
    return np.clip(room, 60, 230).astype(np.uint8)


def body_at(x: int, time_s: float) -> Image:
    """The room with a dark, striped visitor around column ``x``, who sways a little."""
    image, x = grey_room(), x + round(2 * np.sin(6 * time_s))
    image[20:, max(0, x - 14) : max(0, x + 14)] = 30
    image[30::9, max(0, x - 14) : max(0, x + 14)] = 55
    return image


def watched(
    frames: Iterator[Image], settings: Settings = FOCUS, visitors: Visitors | None = None
) -> Visitors:
    visitors = visitors or Visitors()
    for frame in frames:
        visitors.see(frame, settings, TICK_S)
    return visitors


def seconds(frame: Callable[[float], Image], duration_s: float) -> Iterator[Image]:
    return (frame(n * TICK_S) for n in range(round(duration_s / TICK_S)))


def visited(settings: Settings = FOCUS, empty_s: float = 7.0) -> Visitors:
    """An empty room, into which somebody walks and stays."""
    visitors = watched(seconds(lambda t: grey_room(), empty_s), settings)
    watched(seconds(lambda t: body_at(round(-20 + 66 * t), t), 1.5), settings, visitors)
    return watched(seconds(lambda t: body_at(80, t), 2), settings, visitors)


def test_steps_are_longer_on_a_visitor_and_shorter_in_the_room():
    reach = visited().reach(KEEP)
    assert reach.shape == KEEP.shape
    assert reach[BODY].mean() > 1.2
    assert reach[ROOM].mean() < 0.5


def test_the_dream_survives_on_a_visitor_and_fades_sooner_in_the_room():
    visitors = visited()
    held = visitors.held(KEEP)
    assert held[BODY].mean() > 0.7
    np.testing.assert_allclose(held[ROOM], 0.5, atol=0.02)
    # In the half-life of what is on the visitor, what is in the room halves at least twice more.
    lasting = visitors.lasting(KEEP, 1.5, 1.5) / KEEP
    assert lasting[BODY].mean() > 0.9
    assert lasting[ROOM].mean() < 0.26


def test_where_a_visitor_was_the_dream_is_gone_within_two_seconds():
    visitors, kept = visited(), 1.0
    for _ in range(round(2 / TICK_S)):
        visitors.see(grey_room(), FOCUS, TICK_S)
        kept *= float((visitors.lasting(KEEP, 1e6, TICK_S) / KEEP)[BODY].mean())
    assert kept < 0.1


def test_a_visitor_who_stands_still_for_a_minute_is_none_the_less_one():
    visitors = visited()
    watched(seconds(lambda t: body_at(80, t), 60), visitors=visitors)
    assert visitors.reach(KEEP)[BODY].mean() > 1.2


@pytest.mark.parametrize(
    "visitors",
    [
        lambda: watched(seconds(lambda t: grey_room(), 9)),
        lambda: watched(seconds(lambda t: body_at(80, t), 9)),  # there from the start
        lambda: watched(seconds(lambda t: np.roll(grey_room(), round(40 * t), 1), 9)),  # a camera that turns
        lambda: watched(seconds(lambda t: 255 - grey_room(), 1), visitors=visited()),  # a cut
        lambda: visited(Settings(visitor_focus=0.0)),
        lambda: visited(Settings(visitor_focus=1.0, feedback=1.0)),
        lambda: visited(Settings(visitor_focus=1.0, mask="background")),
    ],
    ids=["nobody", "from the start", "a camera that turns", "a cut", "no focus", "feedback", "background"],
)
def test_everything_is_dreamt_alike(visitors):
    found = visitors()
    np.testing.assert_array_equal(found.reach(KEEP), 1)
    np.testing.assert_array_equal(found.held(KEEP), KEEP)
    np.testing.assert_array_equal(found.lasting(KEEP, 1.5, TICK_S), KEEP)


def test_half_the_focus_is_half_as_much():
    whole, half = (visited(Settings(visitor_focus=focus)).reach(KEEP) - 1 for focus in (1.0, 0.5))
    np.testing.assert_allclose(half, whole / 2, atol=1e-3)
