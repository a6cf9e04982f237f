"""While the camera process is gone the show goes on by itself: its last picture, then clouds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from livedream.ipc.slots import Slot
from livedream.show.stand_in import StandIn

LIVE = np.full((180, 320, 3), 10, np.uint8)
LIVE[60:120] = 220


@pytest.fixture
def slot():
    with Slot.create(4 << 20) as slot:
        yield slot


def ready(stand_in: StandIn) -> StandIn:
    stand_in._make_clouds()
    return stand_in


def pictures(stand_in: StandIn, slot: Slot, begin_s: float, seconds: float) -> list[np.ndarray]:
    """What is published in so many seconds of 60 steps each."""
    found, seq = [], slot.seq
    for n in range(round(seconds * 60)):
        stand_in.step(begin_s + n / 60, gone=True)
        value = slot.read(seq)
        if value is not None:
            found.append(value.array)
            seq = value.seq
    return found


def test_the_last_picture_goes_on_and_dissolves_into_clouds(slot):
    slot.publish(LIVE, index=41)
    stand_in = ready(StandIn(slot))
    found = pictures(stand_in, slot, 100.0, 7.0)
    assert len(found) >= 7 * 10  # ten a second at least
    assert slot.read().index == 41 + len(found)
    assert all(np.array_equal(image, LIVE) for image in found[: 2 * 15])
    steps = [np.abs(b.astype(int) - a).mean() for a, b in pairwise(found)]
    assert max(steps) < 12  # no cut
    assert np.abs(found[-1].astype(int) - LIVE).mean() > 30
    assert found[-1].shape == LIVE.shape
    assert not np.array_equal(found[-1], found[-8])  # and they drift


def test_nothing_is_published_beside_a_camera_process(slot):
    slot.publish(LIVE)
    stand_in = ready(StandIn(slot))
    for n in range(300):
        stand_in.step(100.0 + n / 60, gone=False)
    assert slot.seq == 1
    assert not stand_in.active


def test_it_ends_with_the_camera_process_and_begins_anew(slot):
    slot.publish(LIVE)
    stand_in = ready(StandIn(slot))
    pictures(stand_in, slot, 100.0, 6.0)
    assert stand_in.dissolved(106.0)
    stand_in.step(106.1, gone=False)
    slot.publish(LIVE[::-1].copy(), index=200)
    assert np.array_equal(pictures(stand_in, slot, 110.0, 1.0)[-1], LIVE[::-1])
    assert not stand_in.dissolved(111.0)


def test_before_any_picture_there_are_clouds_at_once(slot):
    (first, *_) = pictures(ready(StandIn(slot)), slot, 100.0, 0.2)
    assert first.std() > 10


def test_the_show_waits_for_no_clouds_that_are_still_being_made(slot, monkeypatch):
    monkeypatch.setattr(StandIn, "_make_clouds", lambda self: None)
    slot.publish(LIVE)
    stand_in = StandIn(slot)
    assert np.array_equal(pictures(stand_in, slot, 100.0, 8.0)[-1], LIVE)


def test_a_large_picture_becomes_smaller_and_keeps_its_shape():
    with Slot.create() as slot:
        slot.publish(np.zeros((2160, 3840, 3), np.uint8))
        found = pictures(ready(StandIn(slot)), slot, 100.0, 0.2)
        assert found[-1].shape == (720, 1280, 3)
