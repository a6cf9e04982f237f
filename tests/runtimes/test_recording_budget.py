"""Recordings take a small share of the time, and what is met most is recorded first."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from livedream.runtimes.cuda_graphs import Part, Recorded  # noqa: E402
from livedream.runtimes.recording_budget import Budget  # noqa: E402

CPU = torch.device("cpu")


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class Work:
    """Recordings that take 0.3 s each; functions that do not."""

    def __init__(self, clock, **options):
        self.clock, self.captured = clock, []
        self.recorded = Recorded(CPU, self._capture, 1000, Budget(clock=clock, **options))

    def _capture(self, function, written):
        function()
        self.clock.now += 0.3
        return lambda: None

    def __call__(self, key):
        """Whether it was recorded now."""
        before = len(self.recorded)
        self.recorded(key, lambda: None, [])
        if len(self.recorded) > before:
            self.captured.append((key, self.clock.now))
            return True
        return False


def test_the_first_meeting_is_not_recorded_the_second_is(clock):
    work = Work(clock)
    assert [work("a") for _ in range(3)] == [False, True, False]


def test_one_steady_dream_has_all_it_needs_within_its_first_ticks(clock):
    """Seven parts are two seconds of recording, which may be spent at once."""
    work = Work(clock)
    for _ in range(3):
        for key in range(7):
            work(key)
        clock.now += 1 / 60
    assert sorted(key for key, _ in work.captured) == list(range(7))
    assert clock.now < 3


def test_however_many_there_are_a_tenth_of_the_time_goes_into_recordings(clock):
    """Each recording makes other functions odd: a storm that would feed itself."""
    work, random = Work(clock, credit_s=1.0), np.random.default_rng(1)
    while clock.now < 120:
        work(int(random.integers(400)))
        clock.now += 1 / 60
    spent_s = 0.3 * len(work.captured)
    assert 0.08 * 120 < spent_s < 0.1 * 120 + 1.0 + 0.3


def test_what_is_met_most_is_recorded_first(clock):
    work, random = Work(clock, credit_s=0.1), np.random.default_rng(2)
    keys = [0] * 12 + [1] * 8 + list(range(2, 42))
    while clock.now < 30:
        work(int(random.choice(keys)))
        clock.now += 1 / 60
    first = [key for key, _ in work.captured[1:4]]  # the very first was as good as any
    assert {0, 1} <= {*first, work.captured[0][0]}


def test_what_is_no_longer_met_keeps_nothing_waiting(clock):
    work = Work(clock, credit_s=0.1)
    work("first"), work("first")
    for _ in range(50):
        work("gone")  # there is no time for it
    clock.now += 60.0
    assert [work("rare"), work("rare")] == [False, True]


def test_what_is_met_seldom_is_not_recorded(clock):
    work = Work(clock)
    for _ in range(10):
        assert not work("rare")
        clock.now += 60.0


def test_what_has_not_been_met_for_long_is_let_go(clock):
    """Keys hold tensors of sizes and layers that are no longer dreamt."""

    class Tensors:
        pass

    work, key = Work(clock), Tensors()
    gone = weakref.ref(key)
    work(key)
    del key
    assert gone() is not None
    clock.now += 60.0
    work("another")
    assert gone() is None


def test_it_can_be_asked_whether_there_is_time(clock):
    work = Work(clock, credit_s=0.2)
    known, new = (Part(key, lambda: None, []) for key in ("known", "new"))
    through_the_host = Part("host", lambda: None, [], recordable=False)
    assert work.recorded.affords([known, new])
    work("known"), work("known")
    assert not work.recorded.affords([known, new])
    assert work.recorded.affords([known, through_the_host])
    clock.now += 2.0
    assert work.recorded.affords([known, new])


def test_parts_run_in_order_and_what_waits_for_the_device_is_not_recorded():
    ran, captured = [], []

    def capture(function, written):
        captured.append(function)
        return function

    parts = [Part(key, lambda key=key: ran.append(key), [], recordable=key != "b") for key in "abc"]
    recorded = Recorded(CPU, capture)
    for _ in range(2):
        recorded.run(parts)
    assert ran == [*"abcabc"]
    assert len(captured) == 2
