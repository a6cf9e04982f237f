"""Sessions take turns: nobody gets less than their share because another is faster or costs more."""

from __future__ import annotations

import threading

import pytest

from livedream.room.turns import Turns
from tests.clocks import Clock


class Costs:
    """Members of :class:`Turns` that always want to run, each with ticks of its own length."""

    def __init__(self, *tick_s: float, at_once: int = 1) -> None:
        self.clock = Clock()
        self.turns = Turns(at_once, self.clock)
        self.members = [self.turns.join() for _ in tick_s]
        self.tick_s = list(tick_s)
        self.used_s = [0.0] * len(tick_s)

    def run(self, seconds: float, wanting: range | None = None) -> None:
        end_s = self.clock.now + seconds
        wanting = wanting or range(len(self.members))
        while self.clock.now < end_s:
            now = self.clock.now
            n = min(wanting, key=lambda n: self.members[n].used_s(now))
            with self.turns.turn(self.members[n]):
                self.clock.now += self.tick_s[n]
            self.used_s[n] += self.tick_s[n]


def test_each_gets_the_same_time_whatever_its_ticks_cost():
    costs = Costs(0.004, 0.03, 0.1)
    costs.run(30)
    assert costs.used_s == pytest.approx([10, 10, 10], rel=0.05)


def test_who_comes_later_does_not_make_up_for_the_past():
    costs = Costs(0.01, 0.01)
    costs.run(60, range(1))
    costs.members.append(costs.turns.join())
    costs.tick_s.append(0.01)
    costs.used_s.append(0.0)
    costs.run(3)
    assert costs.used_s[2] < 2


def test_of_those_who_wait_the_one_who_used_least_goes_next():
    turns = Turns()
    first, second, third = (turns.join() for _ in range(3))
    second._used_s = 1.0
    went: list[str] = []

    def go(name, member):
        with turns.turn(member):
            went.append(name)

    threads = [
        threading.Thread(target=go, args=(name, member))
        for name, member in (("second", second), ("third", third))
    ]
    with turns.turn(first):
        for n, thread in enumerate(threads):
            thread.start()
            while len(turns._waiting) <= n:
                pass
    for thread in threads:
        thread.join()
    assert went == ["third", "second"]


def test_new_pictures_go_before_old_ones_but_take_no_more_time():
    turns = Turns()
    first, second = turns.join(), turns.join()
    second._used_s = 0.02
    turns._waiting = {first: lambda: False, second: lambda: True}
    assert turns._may_run(second)
    assert not turns._may_run(first)
    second._used_s = 0.04
    assert turns._may_run(first)
    assert not turns._may_run(second)


def test_a_share_is_an_equal_part_or_what_the_others_leave():
    costs = Costs(0.01, 0.01, 0.01)
    alone = Costs(0.01)
    assert alone.turns.share(alone.members[0]) == 1
    costs.run(20)
    assert costs.turns.share(costs.members[0]) == pytest.approx(1 / 3, abs=0.02)
    costs.run(30, range(1, 2))  # the others have paused
    assert costs.turns.share(costs.members[1]) == pytest.approx(1, abs=0.02)
    assert costs.turns.share(costs.members[0]) == pytest.approx(1 / 2, abs=0.02)


def test_on_a_graphics_card_all_run_at_once():
    costs = Costs(0.01, 0.01, at_once=0)
    with costs.turns.turn(costs.members[0]), costs.turns.turn(costs.members[1]):
        costs.clock.now += 70
        assert costs.turns.longest_s() == 70
    assert costs.turns.longest_s() == 0
    assert costs.turns.share(costs.members[0]) == 1


def test_who_fails_in_its_turn_gives_it_back():
    turns = Turns()
    member, other = turns.join(), turns.join()
    with pytest.raises(RuntimeError), turns.turn(member):
        raise RuntimeError
    with turns.turn(other):
        pass
    turns.leave(member)
    turns.leave(other)
