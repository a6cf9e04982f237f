"""Alike work is done together."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from livedream.dream.gathering import Gathering

#: Nobody waits so long: what is waited for comes, or is not expected.
LONG_S = 60.0


class Clock:
    """A time that only the test moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


class Room:
    """Members who work in rounds, one a second; ``groups`` are the items that ran together."""

    def __init__(self, pool, most=8, wait_s=0.5, run=None):
        self.groups, self.clock, self.pool = [], Clock(), pool

        def note(items):
            self.groups.append(sorted(items))
            return lambda: None

        self.gathering = Gathering(run or note, most=most, wait_s=wait_s, clock=self.clock)

    def members(self, count):
        return [self.gathering.member() for _ in range(count)]

    def begin(self, member, item, key="key", kind="kind", **options):
        return self.pool.submit(self.gathering, member, key, kind, item, **options)

    def round(self, members, keys=None):
        """All work at the same time; what ran together."""
        self.groups.clear()
        keys = ["key"] * len(members) if keys is None else keys
        begun = [self.begin(m, n, key) for n, (m, key) in enumerate(zip(members, keys, strict=True))]
        for future in begun:
            future.result(LONG_S)
        self.clock.now += 1.0
        return sorted(self.groups)


def acquainted(room, count):
    """Members whose habits are known."""
    members = room.members(count)
    for _ in range(2):
        room.round(members)
    return members


def test_who_comes_at_the_same_time_works_together(pool):
    room = Room(pool)
    members = acquainted(room, 5)
    for _ in range(3):
        assert room.round(members) == [[0, 1, 2, 3, 4]]
    assert room.gathering.sizes[5] == 3


def test_only_what_is_alike_is_done_together(pool):
    room = Room(pool)
    members = acquainted(room, 5)
    assert room.round(members, ["a", "b", "a", "b", "c"]) == [[0, 2], [1, 3], [4]]


def test_no_more_than_the_most_work_together(pool):
    room = Room(pool, most=2)
    members = acquainted(room, 5)
    assert sorted(map(len, room.round(members))) == [1, 2, 2]


def test_nobody_waits_for_somebody_who_is_not_expected(pool):
    room = Room(pool, wait_s=LONG_S)
    alone = room.gathering.member()
    for _ in range(3):
        assert room.round([alone]) == [[0]]
    room.members(3)  # who have not come yet
    assert room.round([alone]) == [[0]]


def test_nobody_waits_for_somebody_who_does_something_else(pool):
    room = Room(pool)
    one, other = acquainted(room, 2)
    room.begin(other, 1, kind="other").result(LONG_S)
    room.clock.now += 1.0
    assert room.begin(one, 0).result(LONG_S) is None
    assert [0] in room.groups


def test_nobody_waits_for_somebody_who_has_left(pool):
    room = Room(pool)
    members = acquainted(room, 2)
    del members[1]
    gc.collect()
    assert room.round(members) == [[0]]


def test_some_work_is_never_done_together(pool):
    room = Room(pool)
    members = acquainted(room, 3)
    room.groups.clear()
    for future in [room.begin(member, n, alone=True) for n, member in enumerate(members)]:
        future.result(LONG_S)
    assert sorted(room.groups) == [[0], [1], [2]]


def test_a_failure_is_told_to_all_whom_it_concerns(pool):
    def run(items):
        if len(items) == 2:
            raise ValueError("together it fails")
        return lambda: None

    room = Room(pool, run=run)
    members = room.members(2)
    for _ in range(2):
        for n, member in enumerate(members):
            room.begin(member, n, key=n).result(LONG_S)
        room.clock.now += 1.0
    begun = [room.begin(member, n) for n, member in enumerate(members)]
    for future in begun:
        with pytest.raises(ValueError, match="together it fails"):
            future.result(LONG_S)
    room.clock.now += 1.0
    assert room.begin(members[0], 0, kind="alone").result(LONG_S) is None  # the room goes on


def test_while_others_are_at_work_more_may_join(pool):
    """Two groups are on their way, one of them running; who comes then forms one group, without a wait."""
    begun, may_end, groups = threading.Semaphore(0), threading.Event(), []

    def run(items):
        groups.append(sorted(items))
        begun.release()
        return lambda: may_end.wait(LONG_S)

    room = Room(pool, run=run, wait_s=0.0)
    first, second, *rest = room.members(5)
    leaders = [room.begin(first, 0, key="a"), room.begin(second, 1, key="b")]
    for _ in leaders:
        assert begun.acquire(timeout=LONG_S)
    late = [room.begin(member, n) for n, member in enumerate(rest, 2)]
    while not all(member.waiting for member in rest):
        assert not late[0].done()
    assert sorted(groups) == [[0], [1]]
    may_end.set()
    for future in (*leaders, *late):
        future.result(LONG_S)
    assert groups[2:] == [[2, 3, 4]]
