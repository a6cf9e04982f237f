"""One universe: late datagrams, priorities, ends and losses of senders."""

from __future__ import annotations

from livedream.controls.dmx_packets import Frame
from livedream.controls.dmx_universe import Universe


def frame(level: int, sequence: int | None = None, source: str = "a", **more) -> Frame:
    return Frame("sacn", 1, source, f"desk {source}", bytes([level]), sequence, **more)


def test_a_late_datagram_does_not_count():
    universe = Universe(1)
    assert universe.take(frame(1, 10), 0.0)
    assert universe.take(frame(2, 12), 0.0)
    assert not universe.take(frame(3, 11), 0.0)
    assert not universe.take(frame(3, 12), 0.0)
    assert universe.levels == bytes([2])


def test_the_numbers_of_datagrams_go_round_and_may_begin_anew():
    universe = Universe(1)
    for sequence in (254, 255, 0, 1):
        assert universe.take(frame(sequence, sequence), 0.0)
    assert universe.take(frame(7, 200), 0.0)  # too far behind to be late: the desk was started again
    assert universe.levels == bytes([7])


def test_a_sender_that_does_not_count_is_never_late():
    universe = Universe(1)
    assert all(universe.take(frame(level), 0.0) for level in (1, 2, 3))


def test_the_highest_priority_counts_and_the_next_when_it_ends():
    universe = Universe(1)
    assert universe.take(frame(1, 1, "low", priority=50), 0.0)
    assert universe.take(frame(2, 1, "high", priority=150), 0.1)
    assert not universe.take(frame(1, 2, "low", priority=50), 0.2)
    assert universe.levels == bytes([2])
    assert universe.senders == ("desk high", "desk low")
    assert not universe.take(frame(0, 2, "high", priority=150, terminated=True), 0.3)
    assert universe.levels == bytes([2])  # holds
    assert universe.take(frame(1, 3, "low", priority=50), 0.4)
    assert universe.levels == bytes([1])


def test_of_equal_priorities_the_first_counts_until_it_is_silent():
    universe = Universe(1)
    universe.take(frame(1, 1, "first"), 0.0)
    assert not universe.take(frame(2, 1, "second"), 1.0)
    assert universe.take(frame(2, 2, "second"), 2.6)
    assert universe.senders == ("desk second",)


def test_the_last_levels_hold_when_nobody_sends():
    universe = Universe(1)
    universe.take(frame(9, 1), 0.0)
    universe.forget(60.0)
    assert universe.senders == ()
    assert universe.levels == bytes([9])


def test_a_shorter_frame_leaves_the_other_channels():
    universe = Universe(1)
    universe.take(Frame("artnet", 1, "a", "a", bytes([1, 2, 3])), 0.0)
    universe.take(Frame("artnet", 1, "a", "a", bytes([9])), 0.0)
    assert universe.levels == bytes([9, 2, 3])


def test_not_more_than_eight_senders_are_kept():
    universe = Universe(1)
    for n in range(100):
        universe.take(frame(n, 1, str(n)), 0.0)
    assert len(universe.senders) == 8
